"""Agents: everything that decides, behind one protocol. Application, not installed."""
