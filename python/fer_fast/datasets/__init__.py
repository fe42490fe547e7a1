"""Reading faces: FER-2013 in its published layouts, and a synthetic default."""
