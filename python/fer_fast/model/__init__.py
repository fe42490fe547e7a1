"""The final classifier and the files that carry it."""
