"""From a path, or from none, to a data set: what the file is, and whether it was read before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fer_fast.environment import user_path
from fer_fast.errors import DataError, OutputError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.ferplus import with_ferplus_labels
from fer_fast.faces.labels import FER2013, FERPLUS
from fer_fast.faces.readers.archive import (
    DAMAGE,
    is_tar,
    is_zip,
    tar_files,
    unpacked,
    zip_files,
)
from fer_fast.faces.readers.contents import contents
from fer_fast.faces.readers.files import Entry
from fer_fast.faces.readers.folder import folder_files
from fer_fast.faces.readers.npz import read_npz, write_npz
from fer_fast.faces.readers.table import LineReader, read_table
from fer_fast.faces.readers.tree import PictureTree
from fer_fast.faces.splitting import with_validation_split
from fer_fast.faces.synthetic.generator import synthetic_faces
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.cache import Cache
from fer_fast.storage.cache import Entry as CacheEntry
from fer_fast.storage.files import file_digest

_TABLE_REVISION, _ARCHIVE_REVISION, _TREE_REVISION = 1, 2, 2
"""Raised whenever a reader changes what it makes of the same file."""

_HEAD = 512
_PACKED_SUFFIXES = (".gz", ".bz2", ".xz")
_TAR_SUFFIXES = (".tar", ".tgz", ".tbz2", ".txz")
_TABLE_SUFFIXES = (".csv", "")


def load_faces(
    path: str | Path | None,
    *,
    ferplus: str | Path | None = None,
    reporter: Reporter = SILENT,
) -> FaceDataset:
    """Read a data set of faces, or draw the synthetic default.

    A table, folder or archive that was read before comes from the cache, found by the SHA-256 of
    what is read. A data set without validation rows gets some from its training rows
    (`with_validation_split`).

    Parameters
    ----------
    path : str, Path or None
        A table with FER-2013's columns emotion, pixels and Usage in any order, as ``.csv``, also
        packed by gzip, bzip2 or xz; or a folder, ``.zip`` or ``.tar`` (packed or not) that holds
        such a table, or pictures in ``train/<label>/`` and ``test/<label>/`` and perhaps
        ``validation/<label>/``, the labels by name; or an ``.npz`` by `save_npz`. What a file is
        goes by its content. None draws the synthetic default.
    ferplus : str, Path or None
        FER+'s ``fer2013new.csv``: its majority votes replace the labels (`with_ferplus_labels`).
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
    ParameterError
        If the path is none (`user_path`).
    """
    if path is None:
        reporter.warn(
            "no data set given: using the synthetic default, drawn faces whose accuracy says "
            "nothing about FER-2013"
        )
        dataset = synthetic_faces()
    else:
        dataset = _read(user_path(path), reporter)
    if dataset.label_set == FERPLUS:
        contempt = int((dataset.labels >= len(FER2013)).sum())
        reporter.note(
            f"{dataset.source}: {contempt:,} faces show contempt, which FER-2013 has no label for: "
            "FER+'s eight classes are taken"
        )
    elif dataset.label_set != FER2013:
        reporter.note(
            f"{dataset.source}: {len(dataset.label_set):,} classes that are not FER-2013's are "
            f"taken as they are: {', '.join(dataset.class_names)}"
        )
    if ferplus is not None:
        dataset = with_ferplus_labels(dataset, Path(ferplus), reporter=reporter)
    return _with_every_split(dataset, reporter)


def _read(path: Path, reporter: Reporter) -> FaceDataset:
    if path.suffix.lower() == ".npz":
        with _reading(path):
            return read_npz(path, str(path))
    with _reading(path):
        found = _find(path, reporter)
    dataset: FaceDataset | None = None

    def make(file: BinaryIO) -> None:
        nonlocal dataset
        if dataset is None:
            with _reading(path):
                dataset = found.read(reporter)
            reporter.note(f"{path}: {len(dataset):,} faces read")
        write_npz(dataset, file)

    entry = CacheEntry("datasets", "faces", {"content": found.key}, ".npz")
    try:
        cached = Cache(reporter).get_or_make(entry, make)
    except OutputError as error:
        if dataset is None:
            raise
        reporter.warn(f"the run goes on with the faces that it has: {error.message}")
        return dataset
    # Pixels that are mapped would keep a second file for as long as the run lives.
    if dataset is not None and not isinstance(dataset.pixels, np.memmap):
        return dataset
    try:
        known = read_npz(cached, str(path))
    except (DataError, OSError) as error:
        reporter.warn(f"the cached copy of {path} cannot be used ({error}): reading it again")
        with _reading(path):
            return found.read(reporter)
    if dataset is None:
        reporter.note(f"{path}: {len(known):,} faces from the cache ({cached})")
    return known


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what reading a missing, forbidden or damaged `path` raises into a `DataError`."""
    try:
        yield
    except (DataError, OutputError):
        raise
    except FileNotFoundError as error:
        is_address = path.parts[:1] in (("http:",), ("https:",))
        raise DataError(
            f"there is no file or folder {path}",
            hint="download it, and give the file" if is_address else "check the path",
        ) from error
    except DAMAGE as error:
        raise DataError(
            f"{path} is truncated or damaged ({error})",
            hint="download it again",
        ) from error
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({error.strerror or error})",
            hint="check that it is a file or folder you may read",
        ) from error


@dataclass(frozen=True)
class _Found:
    """A data set that can be read, under the key of what it is made of."""

    key: str
    read: Callable[[Reporter], FaceDataset]


def _find(path: Path, reporter: Reporter) -> _Found:
    if path.is_dir():
        chosen = contents(folder_files(path, reporter), str(path), reporter)
        if isinstance(chosen, PictureTree):
            return _Found(f"{chosen.digest(reporter)}-{_TREE_REVISION}", chosen.read)
        return _find(path / chosen.path, reporter)
    if path.exists() and not path.is_file():
        raise DataError(
            f"{path} is neither a file nor a folder",
            hint="give one of those",
        )
    with unpacked(path) as (file, _):
        head = file.read(_HEAD)
    suffix = path.suffix.lower()
    inner = path.with_suffix("").suffix.lower() if suffix in _PACKED_SUFFIXES else suffix
    if is_zip(head) or suffix == ".zip":
        return _Found(f"{file_digest(path)}-{_ARCHIVE_REVISION}", lambda r: _read_zip(path, r))
    if is_tar(head) or inner in _TAR_SUFFIXES:
        return _Found(f"{file_digest(path)}-{_ARCHIVE_REVISION}", lambda r: _read_tar(path, r))
    if inner in _TABLE_SUFFIXES:
        return _Found(f"{file_digest(path)}-{_TABLE_REVISION}", lambda r: _read_file(path, r))
    raise DataError(
        f"{path} is of no known kind",
        hint="give a .csv, .csv.gz, .zip, .tar.gz or .npz file, or a folder with train/ and test/",
    )


def _read_file(path: Path, reporter: Reporter) -> FaceDataset:
    with unpacked(path) as (file, position):
        return _read_table(file, str(path), position, path.stat().st_size, reporter)


def _read_zip(path: Path, reporter: Reporter) -> FaceDataset:
    with zip_files(path) as files:
        return _read_entries(files, str(path), reporter)


def _read_tar(path: Path, reporter: Reporter) -> FaceDataset:
    with tar_files(path) as files:
        return _read_entries(files, str(path), reporter)


def _read_entries(files: list[Entry], source: str, reporter: Reporter) -> FaceDataset:
    chosen = contents(files, source, reporter)
    if isinstance(chosen, PictureTree):
        return chosen.read(reporter)
    with chosen.open() as file:
        return _read_table(file, f"{source}/{chosen.path}", file.tell, chosen.size, reporter)


def _read_table(
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


def _with_every_split(dataset: FaceDataset, reporter: Reporter) -> FaceDataset:
    for split, name in ((Split.TRAINING, "training"), (Split.PRIVATE_TEST, "test")):
        if not len(dataset.rows(split)):
            raise DataError(
                f"{dataset.source} has no {name} rows",
                hint="give a data set with a training and a test split",
            )
    if len(dataset.rows(Split.PUBLIC_TEST)):
        return dataset
    divided = with_validation_split(dataset)
    moved, there_were = len(divided.rows(Split.PUBLIC_TEST)), len(dataset.rows(Split.TRAINING))
    if not moved:
        raise DataError(
            f"{dataset.source} has too few training faces to set some aside for validation",
            hint="give a class two different ones, or a validation split",
        )
    reporter.note(
        f"{dataset.source} has no validation split: {moved:,} of {there_were:,} "
        "training faces serve as one (stratified, equal images kept together)"
    )
    return divided
