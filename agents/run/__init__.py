"""A training run on the disk: its settings, its folder and the policy it leaves.

Training writes it and evaluation reads it; neither knows the other.
"""
