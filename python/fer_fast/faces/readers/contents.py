"""What a folder or an archive holds: pictures in label folders, or one table of faces."""

from __future__ import annotations

from collections.abc import Sequence

from fer_fast.errors import DataError
from fer_fast.faces.readers.files import Entry
from fer_fast.faces.readers.table import is_face_table
from fer_fast.faces.readers.tree import PictureTree, picture_tree
from fer_fast.progress import Reporter

_KNOWN_TABLES = ("fer2013.csv", "icml_face_data.csv")
_FERPLUS_FOLDERS = ("fer2013train", "fer2013valid", "fer2013test")


def contents(files: Sequence[Entry], source: str, reporter: Reporter) -> PictureTree | Entry:
    """Choose what to read among the files of a folder or an archive.

    Pictures in label folders come before tables; of several tables those with FER-2013's columns
    count, and of those one with FER-2013's file name.

    Parameters
    ----------
    files : sequence of Entry
    source : str
        The folder's or archive's name in messages.
    reporter : Reporter
        Told which table is not read because pictures are.

    Returns
    -------
    PictureTree or Entry
        The pictures, or the table.

    Raises
    ------
    DataError
        If there is nothing to read, or more than one table.
    """
    tables = [entry for entry in files if entry.is_table]
    tree = picture_tree(files, source, reporter)
    if tree is not None:
        for table in tables:
            if table.path.name.casefold() in _KNOWN_TABLES:
                reporter.note(f"{source}: reading the pictures, not {table.path}")
        return tree
    faces = [table for table in tables if _is_face_table(table)]
    known = [table for table in faces if table.path.name.casefold() in _KNOWN_TABLES]
    chosen = known or faces
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        names = ", ".join(str(table.path) for table in chosen[:5])
        raise DataError(
            f"{source} holds more than one table ({names})",
            hint="give the one that is meant",
        )
    is_ferplus = any(
        part.casefold() in _FERPLUS_FOLDERS for entry in files for part in entry.path.parts[:-1]
    )
    if len(tables) == 1 and not is_ferplus:
        # Its reader knows best what it lacks.
        return tables[0]
    if is_ferplus:
        raise DataError(
            f"{source} is laid out as FER+ is, without FER-2013's labels",
            hint="give fer2013.csv, and --labels ferplus=fer2013new.csv for FER+'s",
        )
    packed = [str(entry.path) for entry in files if entry.is_container]
    raise DataError(
        f"{source} has no pictures in train/<label>/ or test/<label>/ and no csv with the columns "
        "emotion, pixels and Usage",
        hint=f"if {packed[0]} holds them, give that, unpacked from whatever it is in"
        if packed
        else "give a folder or archive with either",
    )


def _is_face_table(entry: Entry) -> bool:
    with entry.open() as file:
        return is_face_table(file)
