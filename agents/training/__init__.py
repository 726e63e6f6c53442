"""Training of learned agents: settings, run folders, checkpoints, the training loop."""
