"""Expressions out of pictures."""
