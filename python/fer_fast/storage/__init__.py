"""Where files live, and how each is written: whole, or not at all."""
