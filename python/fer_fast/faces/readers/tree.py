"""FER-2013 as pictures in folders: ``train/<label>/…``, ``test/<label>/…``."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FACE_SIDE, LABELS, FaceDataset, Split
from fer_fast.progress import Reporter

_SPLIT_FOLDERS = {
    "train": Split.TRAINING,
    "training": Split.TRAINING,
    "val": Split.PUBLIC_TEST,
    "valid": Split.PUBLIC_TEST,
    "validation": Split.PUBLIC_TEST,
    "publictest": Split.PUBLIC_TEST,
    "test": Split.PRIVATE_TEST,
    "privatetest": Split.PRIVATE_TEST,
}
# Numbers are no names: data sets number the expressions differently (RAF-DB counts from 1, and in
# another order), and the wrong reading would go unnoticed.
_LABEL_FOLDERS = {
    "angry": "angry",
    "anger": "angry",
    "disgust": "disgust",
    "disgusted": "disgust",
    "fear": "fear",
    "fearful": "fear",
    "happy": "happy",
    "happiness": "happy",
    "sad": "sad",
    "sadness": "sad",
    "surprise": "surprise",
    "surprised": "surprise",
    "neutral": "neutral",
}
_PICTURES = (".png", ".jpg", ".jpeg")
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

Tree = Mapping[PurePosixPath, Callable[[], bytes]]
"""The files of a folder or an archive: how to read each, by its path inside."""


def folder_tree(folder: Path) -> Tree:
    """Return the visible files of a folder and its subfolders, in the order of their names.

    Links to folders are followed.

    Raises
    ------
    OSError
        If a folder cannot be listed.
    """

    def refuse(error: OSError) -> NoReturn:
        raise error

    walk = os.walk(folder, onerror=refuse, followlinks=True)
    files = (Path(parent, name) for parent, _, names in walk for name in names)
    paths = (path for path in files if path.is_file())
    return _visible({PurePosixPath(p.relative_to(folder).as_posix()): p.read_bytes for p in paths})


def archive_tree(archive: zipfile.ZipFile) -> Tree:
    """Return the visible files of an open zip archive, in the order of their names.

    Raises
    ------
    DataError
        If Python cannot unpack one of the files.
    """
    files = [info for info in archive.infolist() if not info.is_dir()]
    for info in files:
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise DataError(
                f"{archive.filename} holds {info.filename} encrypted or packed in an unusual way: "
                "unpack it, and give the file or folder inside"
            )
    return _visible({PurePosixPath(info.filename): partial(archive.read, info) for info in files})


def _visible(tree: Tree) -> Tree:
    return {
        path: tree[path]
        for path in sorted(tree)
        if not any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    }


def tree_digest(tree: Tree) -> str:
    """Return the SHA-256 over the names, sizes and contents of a tree, in hexadecimal."""
    digest = hashlib.sha256()
    for path, read in tree.items():
        content = read()
        digest.update(f"{path}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def read_tree(tree: Tree, source: str, reporter: Reporter) -> FaceDataset:
    """Read the pictures of a tree as grayscale faces.

    Pictures of another size than 48×48 are resized, and pictures outside the split folders are left
    out; both are announced.

    Returns
    -------
    FaceDataset
        The pictures in the order of their paths.

    Raises
    ------
    DataError
        If there are no pictures, a label folder's name is unknown, a picture cannot be read, or the
        split folders stand in more than one place.
    """
    pictures = {path: read for path, read in tree.items() if path.suffix.lower() in _PICTURES}
    placed = {path: place for path in pictures if (place := _place(path, source)) is not None}
    if not placed:
        raise DataError(
            f"{source} has no pictures in train/<label>/ or test/<label>/: give a folder with "
            "those, holding .png or .jpg files"
        )
    roots = sorted({str(path.parents[2]) for path in placed})
    if len(roots) > 1:
        raise DataError(
            f"{source} has split folders in more than one place ({', '.join(roots[:3])}): "
            "give the one that is meant"
        )
    if len(placed) < len(pictures):
        reporter.warn(
            f"{source}: {len(pictures) - len(placed):,} pictures outside train/<label>/, "
            "test/<label>/ and validation/<label>/ are left out"
        )
    pixels = np.empty((len(placed), FACE_SIDE, FACE_SIDE), np.uint8)
    resized = 0
    with reporter.task("Reading faces", len(placed), "images") as task:
        for row, path in enumerate(placed):
            pixels[row], was_resized = _face(pictures[path](), f"{source}/{path}")
            resized += was_resized
            task.advance()
    if resized:
        reporter.note(f"{source}: {resized:,} pictures resized to {FACE_SIDE}×{FACE_SIDE} pixels")
    splits, labels = zip(*placed.values(), strict=True)
    return FaceDataset(pixels, np.array(labels, np.uint8), np.array(splits, np.uint8), source)


def _place(path: PurePosixPath, source: str) -> tuple[Split, int] | None:
    """Return the split and label that a picture's folders name; None outside the split folders."""
    if len(path.parts) < 3:
        return None
    split = _SPLIT_FOLDERS.get(path.parts[-3].casefold())
    if split is None:
        return None
    label = _LABEL_FOLDERS.get(path.parts[-2].casefold())
    if label is None:
        raise DataError(
            f"{source} has a folder {'/'.join(path.parts[:-1])} whose name is no known expression: "
            f"rename it to one of {', '.join(LABELS)} (or {_synonyms()})"
        )
    return split, LABELS.index(label)


def _synonyms() -> str:
    return ", ".join(name for name, label in _LABEL_FOLDERS.items() if name != label)


def _face(content: bytes, source: str) -> tuple[NDArray[np.uint8], bool]:
    try:
        with Image.open(BytesIO(content)) as picture:
            gray = picture.convert("L")
    # Pillow's decoders raise SyntaxError and ValueError too for broken files.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{source} is no readable picture ({error}): replace or remove it"
        ) from error
    size = (FACE_SIDE, FACE_SIDE)
    was_resized = gray.size != size
    if was_resized:
        gray = gray.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(gray), was_resized
