"""Training: settings, checkpoints, warm start, and trainers of each library."""
