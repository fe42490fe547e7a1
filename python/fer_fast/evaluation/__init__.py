"""Scores on held-out rows, and the baselines beside them."""
