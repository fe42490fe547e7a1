"""The classifier on chosen features."""
