"""Prices of the servers' resources: certified bounds, and what is decided by them."""
