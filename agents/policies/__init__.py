"""Networks and policies, in PyTorch and compiled by numba."""
