"""The report of a run: one page that needs no network, for people."""
