"""The failures that a user can cause and mend.

Each says in one sentence what is wrong, where, and what to do. The command line prints it and exits
with status 2; anything that is not a `FerFastError` is a defect and keeps its traceback.
"""


class FerFastError(Exception):
    """Base class of every expected failure.

    ``str()`` is the whole sentence, ``"{message}: {hint}"``; an answer that keeps the two apart,
    such as JSON, takes the attributes.

    Parameters
    ----------
    message : str
        What is wrong, and where.
    hint : str, default=""
        What to do about it.

    Attributes
    ----------
    message, hint : str
    """

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


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


class WorkersError(FerFastError):
    """The workers that were asked for cannot be used, or are gone."""
