"""The files of a zip or tar archive, and streams that are packed as a whole."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from fer_fast.errors import DataError
from fer_fast.faces.readers.files import Entry, of_interest, part_played

DAMAGE = (
    EOFError,
    gzip.BadGzipFile,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    # Of a zip: a name that is no text, and a version that Python does not know.
    UnicodeDecodeError,
    NotImplementedError,
)
"""What Python raises for an archive that was cut short or changed."""

_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_TAR_BLOCK = 512
_TAR_MAGIC = slice(257, 262)
_PACKED: dict[bytes, Callable[..., object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


@contextmanager
def unpacked(path: Path) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """Open a file, through gzip, bzip2 or xz if it begins like one of those.

    Yields
    ------
    file : binary stream
        What is inside.
    position : callable
        Returns how many bytes of the file itself have been read.
    """
    with path.open("rb") as packed:
        start = packed.read(6)
        packed.seek(0)
        for magic, unpack in _PACKED.items():
            if start.startswith(magic):
                with cast("BinaryIO", unpack(packed)) as file:
                    yield file, packed.tell
                return
        yield packed, packed.tell


def is_zip(start: bytes) -> bool:
    """Tell whether a file that begins with these bytes is a zip archive."""
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_tar(start: bytes) -> bool:
    """Tell whether a file that begins with these 512 bytes is a tar archive."""
    return start[_TAR_MAGIC] == b"ustar"


@contextmanager
def zip_files(path: Path) -> Iterator[list[Entry]]:
    """Yield the pictures and tables of a zip archive, in the order of their paths.

    Raises
    ------
    DataError
        If a link stands in place of a split or label folder.
    """
    with zipfile.ZipFile(path) as archive:
        links = (i.filename for i in archive.infolist() if stat.S_ISLNK(i.external_attr >> 16))
        _refuse_linked_folders(path, links)
        yield of_interest(
            # Some Windows programs separate folders by backslashes.
            Entry(
                PurePosixPath(info.filename.replace("\\", "/")),
                info.file_size,
                partial(_open_in_zip, archive, info),
                info.header_offset,
            )
            for info in archive.infolist()
            # Python asks for the last letter of a name, which a damaged archive may lack.
            if info.filename and not info.is_dir()
        )


def _open_in_zip(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> AbstractContextManager[BinaryIO]:
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        raise DataError(
            f"{archive.filename} holds {info.filename} encrypted or packed in an unusual way",
            hint="unpack it, and give the file or folder inside",
        )
    return cast("AbstractContextManager[BinaryIO]", archive.open(info))


@contextmanager
def tar_files(path: Path) -> Iterator[list[Entry]]:
    """Yield the pictures and tables of a tar archive, packed or not, in the order of their paths.

    Raises
    ------
    DataError
        If a link stands in place of a split or label folder.
    """
    with unpacked(path) as (stream, _), tarfile.open(fileobj=stream, mode="r:") as archive:
        members = archive.getmembers()
        # Python takes a damaged header for the end of the archive.
        stream.seek(archive.offset)
        if stream.read(_TAR_BLOCK) != bytes(_TAR_BLOCK):
            raise tarfile.ReadError("it ends in the middle")
        _refuse_linked_folders(path, (member.name for member in members if member.issym()))
        yield of_interest(
            Entry(
                PurePosixPath(member.name),
                member.size,
                partial(_open_in_tar, archive, member, path),
                member.offset,
            )
            for member in members
            if member.isreg() or member.issym() or member.islnk()
        )


def _refuse_linked_folders(archive: Path, links: Iterable[str]) -> None:
    for link in links:
        inside = PurePosixPath(link)
        if not inside.suffix and part_played(inside):
            raise DataError(
                f"{archive} holds a link {link} in place of a folder",
                hint="unpack it, and give the folder",
            )


def _open_in_tar(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path
) -> AbstractContextManager[BinaryIO]:
    try:
        file = archive.extractfile(member)
    except KeyError:
        file = None
    if file is None:
        raise DataError(
            f"{path} holds {member.name} as a link that leads nowhere inside",
            hint="unpack it where it was packed, and give the folder",
        )
    return cast("AbstractContextManager[BinaryIO]", file)
