"""Inferred: what a row is made of: pixels in columns, pictures in files, a text, or the cells of the table."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from kit.errors import BadData
from kit.inputs.base import Inputs
from kit.inputs.decode import SUFFIXES
from kit.inputs.images import Images
from kit.inputs.pixels import Pixels
from kit.inputs.table import Table
from kit.inputs.text import Text
from kit.storage import archives

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 500  # rows whose pictures are looked for
MOSTLY = 0.9  # of them are found, or the folder is another's
SHOWN, SIDE = 8, 32  # pictures that are looked into, and at what size
TOPS = (1, 15, 16, 63, 255)  # the brightest pixel there can be
LEAST = 64  # pixels of a picture
WORDS = 5  # of a cell on average, and no fewer than the other columns are: else it is a name, an address, a category
DISTINCT = 0.5  # of the texts at least


def inputs_of(root: Path, train: pd.DataFrame, test: pd.DataFrame, taken: set[str], delimiter: str = ",") -> Inputs:
    """The Inputs of tables indexed by id. `taken`: columns that are answers.

    Raises BadData for an archive that is broken, and where nothing is known of the rows.
    """
    shared = [str(name) for name in train.columns if name not in taken and name in test.columns]
    pictures = names_of_pictures(root)
    found = _pixels(train, shared) or (_images(root, train, test, taken, pictures) if pictures else None)
    if not found and not shared:
        first = f"the first is {pictures[0]!r}" if pictures else f"there are none: {', '.join(SUFFIXES)}"
        raise BadData(
            "nothing is known of the rows: train and test share no column besides ids and answers, and no pictures are"
            f" called as ids or cells of both ({first}).\nRename or convert pictures, or add columns to both tables."
        )
    return found or _text(train, shared, delimiter) or Table()


def names_of_pictures(root: Path) -> list[str]:
    """The pictures below a folder, with those of its archives named as if they were unpacked."""
    found = []
    for place in sorted(root.iterdir()):
        suffix = next((one for one in archives.ARCHIVES if place.name.lower().endswith(one)), "")
        own = f"{place.name.removesuffix(suffix) if suffix else place.name}/"
        if place.is_dir() or suffix:
            inside = archives.open_store(place).names
            found += [name if suffix and name.startswith(own) else own + name for name in inside]
        else:
            found.append(place.name)
    seen = [name for name in found if not any(part.startswith((".", "__")) for part in name.split("/"))]
    return [name for name in seen if name.lower().endswith(SUFFIXES)]


def _pixels(train: pd.DataFrame, shared: list[str]) -> Pixels | None:
    """Columns called pixel0, pixel1, … and so on, as many as a square has, of whole numbers."""
    import pandas as pd

    prefixes = Counter(match[1] for name in shared if (match := re.fullmatch(r"(.*?)\d+", name)))
    for prefix, count in prefixes.most_common(1):
        side = math.isqrt(count)
        names = Pixels(side, prefix).names
        if count >= LEAST and side**2 == count and set(names) <= set(shared):
            values = train[names].apply(pd.to_numeric, errors="coerce").to_numpy()
            top = next((top for top in TOPS if ((values >= 0) & (values <= top) & (values % 1 == 0)).all()), 0)
            return Pixels(side, prefix, top) if top else None
    return None


def _images(root: Path, train: pd.DataFrame, test: pd.DataFrame, taken: set[str], pictures: list[str]) -> Images | None:
    """Pictures whose names the ids, or the cells of another column, tell."""
    below: dict[str, dict[str, str]] = {}
    for name in pictures:
        parts = name.split("/")
        for depth in range(len(parts)):
            folder = below.setdefault("".join(f"{part}/" for part in parts[:depth]), {})
            inside = "/".join(parts[depth:])
            stem, dot, suffix = inside.rpartition(".")
            folder[inside], folder[stem] = "", dot + suffix
    other, template = (_template(table, taken, below, split) for table, split in ((test, "test"), (train, "train")))
    if not template or not other:
        return None
    found = Images(template, test="" if other == template else other)
    some = found.load(root, train.iloc[:SHOWN], "train", SIDE).rows[:]
    grey = bool((some == some[..., :1]).all())
    return Images(found.template, found.test, channels=1) if grey else found


def _template(table: pd.DataFrame, taken: set[str], below: dict[str, dict[str, str]], split: str) -> str:
    """Where the pictures of a table's rows are, as `Images` has it; "" where they are not found."""
    some = table.iloc[:: max(1, len(table) // LOOKED_AT)]
    named = [str(name) for name in some.columns if name not in taken and not re.search(r"[.:!{}\[\]]", str(name))]
    columns = {"id": list(some.index), **{name: list(some[name]) for name in named}}
    best: tuple[float, bool, bool, str] = (MOSTLY, False, False, "")
    for column, cells in columns.items():
        for folder, suffixes in below.items():
            hits = [suffixes[cell] for cell in cells if cell in suffixes]
            if len(hits) >= MOSTLY * len(cells) > 0 and (column == "id" or len(set(cells)) > len(cells) // 2):
                suffix = Counter(hits).most_common(1)[0][0]
                found = len(hits) / len(cells), split in folder.lower(), column == "id", f"{folder}{{{column}}}{suffix}"
                best = max(best, found)
    return best[-1]


def _text(train: pd.DataFrame, shared: list[str], delimiter: str) -> Text | None:
    """The column of the longest texts, if any are."""
    wordy = [name for name in shared if train[name].str.contains("[^\\W\\d_]").mean() > DISTINCT]  # not rows of numbers
    words = {name: train[name].str.count(r"\S+").mean() for name in wordy if train[name].nunique() > DISTINCT * len(train)}
    longest = max(words, key=lambda name: words[name], default="")
    return Text(longest, delimiter) if longest and words[longest] >= max(WORDS, len(shared) - 1) else None
