"""Networks and policies: what maps observations to actions, in PyTorch and compiled."""
