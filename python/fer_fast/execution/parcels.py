"""What workers hold: objects too large to travel with each call, fetched once by each process.

A call names what it needs by a `Ticket`. A worker looks for it among what its process holds, then
in a file that it may share with the caller, and maps that into its memory; where there is neither
it answers `Absent`, and the call comes again with the file's bytes. So a worker that joins late,
or takes the place of a dead one, is served as the first one was.
"""

from __future__ import annotations

import hashlib
import mmap
import pickle
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from fer_fast import __version__
from fer_fast.errors import WorkersError

_ALIGNMENT = 64
"""Bytes: what NumPy and the processor like an array to begin at."""

_MOST_HELD = 4
"""Objects that a process keeps of those it was sent, the least recently used going first."""

_own: dict[str, Any] = {}
"""What this process, or the one that it was forked from, has parcels of."""

_held: OrderedDict[str, Any] = OrderedDict()
_fetching = threading.Lock()


@dataclass(frozen=True)
class Ticket:
    """What stands for an object in a call.

    Attributes
    ----------
    name : str
        Its digest once it is packed.
    path : str or None
        The file that it is packed in, for those who can read it.
    """

    name: str
    path: str | None = None


@dataclass(frozen=True)
class Absent:
    """A worker's answer to a call that names what it cannot get.

    Attributes
    ----------
    names : frozenset of str
    """

    names: frozenset[str]


class Parcel:
    """An object that workers are to hold, packed as soon as one of them lacks it.

    Threads of this process, and processes forked from it later, never do.

    Parameters
    ----------
    thing : object
        Nothing may change in it.
    folder : Path
        Where it is packed.
    """

    def __init__(self, thing: Any, folder: Path) -> None:
        self._thing = thing
        self._folder = folder
        self._packing = threading.Lock()
        self._path: Path | None = None
        self._sent: Any = None
        self._name = uuid4().hex
        self.ticket = Ticket(self._name)
        _own[self._name] = thing

    def pack(self) -> None:
        """Write the object to its file, unless that is done."""
        with self._packing:
            if self._path is None:
                path = self._folder / self._name
                with path.open("wb") as file:
                    digest = pack(self._thing, file)
                self._path = path
                self.ticket = Ticket(digest, str(path))

    @property
    def is_packed(self) -> bool:
        """Whether some worker has lacked it."""
        return self._path is not None

    def sent(self, send: Callable[[bytes], Any]) -> Any:
        """Return what `send` makes of the file's bytes, and made of them once."""
        self.pack()
        with self._packing:
            if self._sent is None:
                assert self._path is not None
                self._sent = send(self._path.read_bytes())
            return self._sent

    def forget_sent(self) -> None:
        """Let it be sent anew: what was sent is lost."""
        with self._packing:
            self._sent = None

    def release(self) -> None:
        """Remove the file; who has mapped it keeps it."""
        self._sent = None
        _own.pop(self._name, None)
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def call(
    version: str,
    function: Callable[..., Any],
    tickets: Sequence[Ticket],
    arguments: Sequence[Any],
    *contents: bytes | None,
) -> Any:
    """Call ``function(*objects, *arguments)`` in a worker; it has to be importable there.

    Parameters
    ----------
    version : str
        The caller's of this package.
    function : callable
    tickets : sequence of Ticket
        Of the objects.
    arguments : sequence
    *contents : bytes or None
        Of each ticket's file, where a worker was found to lack it.

    Returns
    -------
    answer : object or Absent

    Raises
    ------
    WorkersError
        If this worker has another release of this package, which may compute otherwise.
    """
    if version != __version__:
        raise WorkersError(
            f"a worker has fer-fast {__version__}, and this is {version}",
            hint="install the same on both",
        )
    absent, things = [], []
    for ticket, content in zip(tickets, contents or [None] * len(tickets), strict=True):
        try:
            things.append(_get(ticket, content))
        except (KeyError, OSError):
            absent.append(ticket.name)
    if absent:
        return Absent(frozenset(absent))
    try:
        return function(*things, *arguments)
    except Exception as error:
        raise portable(error) from None


def _get(ticket: Ticket, content: bytes | None) -> Any:
    """Return an object; raise KeyError or OSError where there is no way to it."""
    if ticket.name in _own:
        return _own[ticket.name]
    with _fetching:
        if ticket.name not in _held:
            if content is not None:
                _held[ticket.name] = unpack(memoryview(content))
            elif ticket.path is not None:
                _held[ticket.name] = _map(Path(ticket.path))
            while len(_held) > _MOST_HELD:
                _held.popitem(last=False)
        _held.move_to_end(ticket.name)
        return _held[ticket.name]


def _map(path: Path) -> Any:
    with path.open("rb") as file:
        return unpack(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


def portable(error: Exception) -> Exception:
    """Return an error that can be sent: one that cannot be read would break a pool of processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def pack(thing: Any, file: BinaryIO) -> str:
    """Write an object so that `unpack` lays its arrays over the file; return the SHA-256.

    The file holds the number of its parts, their lengths, and the parts, each from a multiple of 64
    bytes on: a pickle and the buffers of the arrays in it.
    """
    # Imported late: whoever computes features here alone needs no such package.
    import cloudpickle

    buffers: list[pickle.PickleBuffer] = []
    head = cloudpickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
    sha256 = hashlib.sha256()
    position = 0

    def write(part: bytes | memoryview) -> None:
        nonlocal position
        sha256.update(part)
        file.write(part)
        position += len(part)

    write(struct.pack(f"<{1 + len(parts)}Q", len(parts), *map(len, parts)))
    for part in parts:
        write(bytes(-position % _ALIGNMENT))
        write(part)
    return sha256.hexdigest()


def unpack(memory: memoryview) -> Any:
    """Return what `pack` wrote; its arrays are read-only."""
    (n_parts,) = struct.unpack_from("<Q", memory)
    position = 8 * (1 + n_parts)
    parts = []
    for length in struct.unpack_from(f"<{n_parts}Q", memory, 8):
        position += -position % _ALIGNMENT
        parts.append(memory[position : position + length].toreadonly())
        position += length
    head, *buffers = parts
    return pickle.loads(head, buffers=buffers)
