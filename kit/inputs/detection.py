"""Detection of inputs: what a kind looks at to tell whether a competition's rows are of its kind, and how it begins then.

For pictures: by which template those below a folder belong to rows, and which presets suit them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kit import recipes
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
FEW = 5000  # photos: fewer teach a deep network little from scratch
SHARE = 0.8  # of the rows, which each of five folds trains on


def photos(rows: int, colour: bool) -> Beginning:
    """For photos, larger than a pretrained network needs."""
    few, augment, count = rows < FEW, "photo" if colour else "medium", int(rows * SHARE)
    if few:
        fast = recipes.CONVNET.preset(count, width=16, size=64, augment="medium", views=2)
    else:
        fast = recipes.SCRATCH.preset(count, model="resnet18", size=128, augment=augment)
    model, size = ("tf_efficientnet_b0", 224) if few else ("tf_efficientnet_b3", 384)
    best = recipes.PRETRAINED.preset(count, model=model, weights="hub", size=size, augment=augment, views=4)
    return Beginning("a few photos" if few else "photos", fast, best)


def small_pictures(rows: int, size: int = 0) -> Beginning:
    """For small pictures, which need no pretrained network. `size`: pixels a side, where theirs differ."""
    count = int(rows * SHARE)
    fast = recipes.CONVNET.preset(count, size=size, augment="medium", views=2)
    best = fast.changed(width=64, epochs=2 * fast.epochs, views=5)
    return Beginning("small pictures", fast, best)


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
