"""Decisions that follow one another: the bound of a trajectory, plans, look-ahead."""
