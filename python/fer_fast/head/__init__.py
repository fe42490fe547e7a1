"""Three dense layers on the frozen backbone, whose last activations are the features."""
