"""NumPy's archives of arrays, read so that a damaged one costs no more than its bytes."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A changed bit may make an archive look encrypted (RuntimeError) or newer than its reader
# (NotImplementedError, a RuntimeError too), or break the Python literal that heads an array.
DAMAGE = (
    ValueError,
    EOFError,
    RuntimeError,
    SyntaxError,
    TypeError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)
"""What `read_arrays` raises of an archive that is none, beside `OSError`."""

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_arrays(
    path: Path, is_wanted: Callable[[str], bool], most_bytes: int | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an ``.npz`` archive by name, never those of objects.

    Parameters
    ----------
    path : Path
    is_wanted : callable
        Tells by its name whether to read an array.
    most_bytes : int or None
        What they may unpack to, all together; None: any.

    Raises
    ------
    Exception
        One of `DAMAGE`, if the archive is none, or unpacks to more.
    OSError
        If the file cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        wanted = {
            name.removesuffix(".npy"): info
            for info in archive.infolist()
            if (name := info.filename).endswith(".npy") and is_wanted(name.removesuffix(".npy"))
        }
        if most_bytes is not None and sum(one.file_size for one in wanted.values()) > most_bytes:
            raise ValueError(f"it unpacks to more than {most_bytes >> 20:,} MiB")
        return {name: _array(archive, info) for name, info in wanted.items()}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """Lay an array over its bytes, so that nothing is allocated for what a header may claim."""
    with archive.open(info) as file:
        content = file.read()
    stream = BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of an array's header")
    shape, is_fortran, dtype = _HEADERS[version](stream)
    # Objects laid over a file's bytes would be pointers that the file chooses.
    if dtype.hasobject:
        raise ValueError("an array of objects")
    return np.ndarray(shape, dtype, content, stream.tell(), order="F" if is_fortran else "C")
