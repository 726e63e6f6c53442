"""Whole layers in scenarios, violations and the decoder."""
