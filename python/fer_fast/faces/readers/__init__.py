"""Readers: one file a kind of container, each from bytes to a data set."""
