"""Figures and studies, a command each: `python -m experiments.sweep bandwidth`."""
