"""Fast, honest, reproducible feature selection on frozen CNN features."""

from importlib.metadata import version

__version__ = version("fer-fast")
