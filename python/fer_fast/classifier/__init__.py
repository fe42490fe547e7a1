"""The final forest on a subset of the features, and the scores of its predictions."""
