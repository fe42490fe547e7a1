"""What a run found, and the folder that keeps it."""
