"""Comparison of agents on the same instances: figures, statistics, reports."""
