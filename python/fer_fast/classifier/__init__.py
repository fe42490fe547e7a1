"""What a classifier says: scores of its predictions, calibration of its probabilities."""
