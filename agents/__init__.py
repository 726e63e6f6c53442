"""Agents: solvers, rules and trained policies behind one protocol. Not installed."""

from agents.base import Agent
from agents.registry import agent_names, make_agent

__all__ = ["Agent", "agent_names", "make_agent"]
