"""Calls on workers of any `concurrent.futures.Executor`: what travels, and who dies."""
