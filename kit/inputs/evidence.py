"""Evidence: what a kind of inputs looks at to tell whether a competition's rows are of its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kit.inputs.decode import SUFFIXES
from kit.storage import archives

if TYPE_CHECKING:
    import pandas as pd

# Columns with such names hold identifiers.
IDENTIFIER = re.compile(r"(.*[_\W])?(id|uid|Id|ID|UID)|.*[a-z](Id|ID|UID)|index|Unnamed: 0|")


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
    delimiter: str = ","
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
