"""Figures: one script each, `python -m experiments.bandwidth --quick`."""
