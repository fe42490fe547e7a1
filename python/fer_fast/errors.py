"""The failures that a user can cause and mend.

Each message is one sentence that says what is wrong, where, and what to do. The command line
prints it and exits with status 2; anything that is not a `FerFastError` is a defect and keeps its
traceback.
"""


class FerFastError(Exception):
    """Base class of every expected failure."""


class ParameterError(FerFastError, ValueError):
    """A parameter is outside its range, or two parameters exclude each other."""


class DataError(FerFastError, ValueError):
    """A data set cannot be read, or is not what it claims to be."""


class WeightsError(FerFastError):
    """The backbone's weights cannot be found, or belong to another architecture."""


class DeviceError(FerFastError):
    """The device that was asked for cannot be used."""


class OutputError(FerFastError, OSError):
    """A result cannot be written."""
