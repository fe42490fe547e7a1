"""Predictions over HTTP, and a page to try them; needs the extra ``serve``."""
