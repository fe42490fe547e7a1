"""From a path, or from none, to a data set: what the file is, and whether it was read before."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fer_fast.errors import DataError, OutputError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.readers.npz import read_npz, write_npz
from fer_fast.faces.readers.table import LineReader, read_table
from fer_fast.faces.readers.tree import archive_tree, folder_tree, read_tree, tree_digest
from fer_fast.faces.splitting import with_validation_split
from fer_fast.faces.synthetic import synthetic_faces
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.cache import Cache, Entry
from fer_fast.storage.files import file_digest

_CACHE_FORMAT = 1
"""Raised whenever a reader changes what it makes of the same file."""

_KNOWN_TABLES = ("fer2013.csv", "icml_face_data.csv")


def load_faces(path: str | Path | None, *, reporter: Reporter = SILENT) -> FaceDataset:
    """Read a data set of faces, or draw the synthetic default.

    A table or folder that was read before comes from the cache, found by the SHA-256 of its bytes.
    A data set without validation rows gets some from its training rows (`with_validation_split`).

    Parameters
    ----------
    path : str, Path or None
        ``.csv``, ``.csv.gz`` or ``.zip`` with FER-2013's columns emotion, pixels and Usage in any
        order; a folder, or a ``.zip`` of it, with ``train/<label>/*.png``, ``test/<label>/*.png``
        and perhaps ``validation/<label>/*.png`` (or ``.jpg``), the labels by name; or an ``.npz``
        by `save_npz`. None draws the synthetic default.
    reporter : Reporter
        Hears about progress, cache hits, and every choice made on the user's behalf.

    Returns
    -------
    FaceDataset

    Raises
    ------
    DataError
        If the path cannot be read, is of no known kind, is malformed, or has no training rows or
        no test rows.
    """
    if path is None:
        reporter.warn(
            "no data set given: using the synthetic default, drawn faces whose accuracy says "
            "nothing about FER-2013"
        )
        return synthetic_faces()
    path = Path(path)
    if path.suffix.lower() == ".npz":
        with _reading(path):
            dataset = read_npz(path, str(path))
    else:
        dataset = _read_through_cache(path, reporter)
    return _with_every_split(dataset, reporter)


def _read_through_cache(path: Path, reporter: Reporter) -> FaceDataset:
    with _reading(path):
        read = _reader(path)
        digest = tree_digest(folder_tree(path)) if path.is_dir() else file_digest(path)
    made: FaceDataset | None = None

    def make(file: BinaryIO) -> None:
        nonlocal made
        with _reading(path):
            made = made or read(path, reporter)
        write_npz(made, file)

    entry = Entry("datasets", "faces", {"file": digest, "format": _CACHE_FORMAT}, ".npz")
    try:
        cached = Cache(reporter).get_or_make(entry, make)
    except OutputError as error:
        if made is None:
            raise
        reporter.warn(f"the run goes on with faces in memory alone: {error}")
    if made is not None:
        reporter.note(f"{path}: {len(made):,} faces read")
        return made
    dataset = read_npz(cached, str(path))
    reporter.note(f"{path}: {len(dataset):,} faces from the cache ({cached})")
    return dataset


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a missing, forbidden or damaged `path` raises into a `DataError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"there is no file or folder {path}: check the path") from error
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is truncated or damaged ({error}): download it again") from error
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({error.strerror or error}): check that it is a file or folder "
            "you may read"
        ) from error


def _reader(path: Path) -> Callable[[Path, Reporter], FaceDataset]:
    if path.is_dir():
        return _read_folder
    for suffix, read in ((".csv", _read_csv), (".gz", _read_gzip), (".zip", _read_zip)):
        if path.suffix.lower() == suffix:
            return read
    path.stat()
    raise DataError(
        f"{path} is of no known kind: give a .csv, .csv.gz, .zip or .npz file, or a folder with "
        "train/ and test/"
    )


def _read_csv(path: Path, reporter: Reporter) -> FaceDataset:
    with path.open("rb") as file:
        return _read_stream(file, str(path), file.tell, path.stat().st_size, reporter)


def _read_gzip(path: Path, reporter: Reporter) -> FaceDataset:
    with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as file:
        return _read_stream(file, str(path), packed.tell, path.stat().st_size, reporter)


def _read_stream(
    file: LineReader,
    source: str,
    position: Callable[[], int],
    total: int,
    reporter: Reporter,
) -> FaceDataset:
    done = 0
    with reporter.task("Reading faces", total, "B") as task:

        def progress() -> None:
            nonlocal done
            now = position()
            task.advance(now - done)
            done = now

        return read_table(file, source, progress)


def _read_folder(path: Path, reporter: Reporter) -> FaceDataset:
    return read_tree(folder_tree(path), str(path), reporter)


def _read_zip(path: Path, reporter: Reporter) -> FaceDataset:
    with zipfile.ZipFile(path) as archive:
        tree = archive_tree(archive)
        tables = [name for name in tree if name.suffix.lower() == ".csv"]
        if not tables:
            return read_tree(tree, str(path), reporter)
        known = [name for name in tables if name.name in _KNOWN_TABLES]
        if len(known or tables) > 1:
            raise DataError(
                f"{path} holds more than one table ({', '.join(map(str, tables[:5]))}): "
                "unpack it and give the one that is meant"
            )
        table = (known or tables)[0]
        chosen = next(i for i in archive.infolist() if PurePosixPath(i.filename) == table)
        source = f"{path}/{chosen.filename}"
        with archive.open(chosen) as file:
            return _read_stream(file, source, file.tell, chosen.file_size, reporter)


def _with_every_split(dataset: FaceDataset, reporter: Reporter) -> FaceDataset:
    for split, name in ((Split.TRAINING, "training"), (Split.PRIVATE_TEST, "test")):
        if not len(dataset.rows(split)):
            raise DataError(
                f"{dataset.source} has no {name} rows: give a data set with a training and a "
                "test split"
            )
    if len(dataset.rows(Split.PUBLIC_TEST)):
        return dataset
    divided = with_validation_split(dataset)
    reporter.note(
        f"{dataset.source} has no validation split: "
        f"{len(divided.rows(Split.PUBLIC_TEST)):,} of {len(dataset.rows(Split.TRAINING)):,} "
        "training faces serve as one (stratified, equal images kept together)"
    )
    return divided
