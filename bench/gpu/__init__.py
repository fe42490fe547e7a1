"""Measuring features on a GPU, and proving them there; README.md says how."""
