"""Balancing the classes of the training features."""
