"""Analytic policy gradient: a set network trained through the model's equations."""

from agents.apg.algorithm import Apg

__all__ = ["Apg"]
