"""Detection of inputs: what a kind looks at to tell whether a competition's rows are of its kind, and how it begins then.

For pictures: by which template those below a folder belong to rows, and which presets suit them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kit.config import Config
from kit.errors import BadData, quoted
from kit.inputs.decode import SUFFIXES
from kit.inputs.layout.search import Lead, lead
from kit.storage import archives

if TYPE_CHECKING:
    import pandas as pd

# Columns with such names hold identifiers.
IDENTIFIER = re.compile(r"(.*[_\W])?(id|uid|Id|ID|UID)|.*[a-z](Id|ID|UID)|index|Unnamed: 0|")


@dataclass(frozen=True)
class Beginning:
    """Presets that a first adapter begins with; `suits`: what they suit, in words."""

    suits: str
    fast: Config
    best: Config


ADDRESS = re.compile(r"\s*(https?|s3|gs)://", re.I)
SMALL = 64  # pixels a side: such pictures need no pretrained backbone
FAST = Config(model="resnet18", size=128, epochs=6, batch=32, lr=1e-3, augment="photo", views=2)
PHOTOS = Beginning(
    suits="photos",
    fast=FAST,
    best=FAST.changed(model="tf_efficientnet_b3", weights="hub", size=384, epochs=15, views=4),
)
SMALL_PICTURES = Beginning(
    suits="small pictures",
    fast=Config(width=32, epochs=15, lr=1e-2, augment="medium", views=2),
    best=Config(width=64, epochs=30, lr=1e-2, augment="medium", views=5),
)


@dataclass(frozen=True)
class Evidence:
    """The files of a competition in the folder `root`, its tables indexed by id (text cells).

    `answers`: the columns of the training table that hold answers. `delimiter`, `escape`: how the tables are written.
    `unlabelled`: the name of a table of rows without answers, "" if there is none.
    """

    root: Path
    train: pd.DataFrame
    test: pd.DataFrame
    answers: frozenset[str]
    delimiter: str = ""
    escape: str = ""
    unlabelled: str = ""

    @cached_property
    def shared(self) -> list[str]:
        """The columns that train and test share, without the answers."""
        return [str(name) for name in self.train.columns if name not in self.answers and name in self.test.columns]

    @cached_property
    def pictures(self) -> list[str]:
        """The pictures below the folder, see `names_of_pictures`."""
        return names_of_pictures(self.root)


def names_of_pictures(root: Path) -> list[str]:
    """The pictures below a folder, with those of its archives named as if they were unpacked.

    Raises BadData for a broken archive.
    """
    names = []
    for place in sorted(root.iterdir()):
        suffix = next((one for one in archives.ARCHIVES if place.name.lower().endswith(one)), "")
        folder = f"{place.name.removesuffix(suffix) if suffix else place.name}/"
        if place.is_dir() or suffix:
            inside = archives.open_store(place).names
            names += [name if suffix and name.startswith(folder) else folder + name for name in inside]
        else:
            names.append(place.name)
    visible = [name for name in names if not any(part.startswith((".", "__")) for part in name.split("/"))]
    return [name for name in visible if name.lower().endswith(SUFFIXES)]


def refuse_addresses(evidence: Evidence) -> None:
    """Raise BadData where rows have nothing but addresses of pictures on the network."""
    told = {name: [*evidence.train[name], *evidence.test[name]] for name in evidence.shared if not IDENTIFIER.fullmatch(name)}
    given = {name: cells for name, cells in told.items() if sum(map(bool, map(ADDRESS.match, cells))) > len(cells) / 2}
    if given and len(given) == len(told):
        name = next(iter(given))
        raise BadData(
            f"the column {name!r} holds addresses ({quoted(given[name][0])}), and no picture below {evidence.root} is called as"
            " they end: the kit fetches none.\nFetch them into a folder, say images/, under the names at the addresses' ends."
        )


def templates(evidence: Evidence, split: str) -> Lead:
    """The templates of a split's pictures, as `Images` takes them."""
    table = evidence.train if split == "train" else evidence.test
    return lead(evidence.pictures, table, evidence.answers, split) if evidence.pictures else Lead()
