"""What is trained: decoders, their adapters, and whole layers of them."""
