"""What a command line shows: options and errors, progress and tables, signals."""
