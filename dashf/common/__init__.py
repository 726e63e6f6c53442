"""Checks of arguments, time limits and what else every solver asks for."""
