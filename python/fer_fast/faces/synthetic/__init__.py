"""The synthetic default: faces drawn from parameters, for whoever has no data set yet."""
