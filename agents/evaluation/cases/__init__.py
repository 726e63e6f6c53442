"""Cases of one's own: read, decided, explained and written as a report."""
