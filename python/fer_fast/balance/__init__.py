"""Balancing the training classes."""
