"""Faces: data sets, readers, label sets, duplicates, splits, and the synthetic default."""
