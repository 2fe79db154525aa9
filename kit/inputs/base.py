"""What every kind of Inputs offers: reading a table, loading its rows, inventing some."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kit.config import Config
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Loaded:
    """A split's rows as arrays.

    `rows`: an array, or what is indexed like one (`Streamed`); `look`: the same rows small enough to compare with each
    other. `broken`: what is wrong with the files of some ids. Broken training rows are left out of `rows`; broken test
    rows are blank in it.
    """

    rows: Any
    broken: dict[str, str] = field(default_factory=dict)
    look: Any = None

    def __post_init__(self) -> None:
        self.look = self.rows if self.look is None else self.look


@dataclass(frozen=True)
class Keep:
    """How to keep decoded rows: `most` bytes of them (a larger set is decoded when it is asked for), `say` what is done."""

    most: float = float("inf")
    say: Callable[[str], None] = field(default=lambda text: None)


KEEP_ALL = Keep()


def kind_of(rows: Any) -> str:
    """What loaded rows are: what they say (`text`, `table`), else pictures (`images`)."""
    return getattr(rows, "inputs_kind", "images")


class Inputs(ABC):
    """How rows become arrays. Images are uint8 [n, height, width, channels], decoded once."""

    kind: ClassVar[str]
    channels: int
    mirror: bool  # may a picture be mirrored and still have the same answer? Not a digit or a text.

    def presets(self) -> dict[str, Config]:
        """What an adapter has for presets where it names none of its own."""
        return {"fast": Config()}

    def read_csv(self, data: bytes, name: str) -> pd.DataFrame:
        """A table of the competition: text cells, but for columns that are this input's own numbers."""
        return frames.read_csv(data, name)

    def csv_text(self, table: pd.DataFrame) -> str:
        """A table as `read_csv` reads it; undoes that."""
        return frames.csv_text(table, index=False)

    def files(self, root: Path) -> list[Path]:
        """The files besides the tables that hold this input."""
        return []

    def beside(self, others: Iterable[str]) -> Inputs:
        """These inputs where the table has other columns too: id, answers, group and time."""
        return self

    def agree(self, train: pd.DataFrame, test: pd.DataFrame, answers: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
        """The training table without what the test table cannot answer by, and notes on both."""
        return train, []

    @abstractmethod
    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        """The rows of a frame (index: id). `split` is "train" or "test"; `size` 0 keeps the own size.

        Raises BadData naming file, row and id.
        """

    def twins(self, look: Any) -> np.ndarray:
        """A number per row of what `load` gave to look at; rows that repeat each other share one."""
        from kit.data import duplicates

        return duplicates.groups(look)

    def lay_out_again(  # noqa: B027 (a table holds most inputs whole)
        self, root: Path, out: Path, known: pd.Series, cells: pd.DataFrame | None
    ) -> None:
        """Write the test rows' files below `out` under other ids: `known` holds the id each has below `root`.

        `cells`: the test table under the new ids, if there is one.
        """

    def example_id(self, split: str, number: int) -> str:
        """An id for an invented row."""
        return f"{split}_{number:04d}"

    @abstractmethod
    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        """Invent the inputs of these rows: writes their files, returns their columns. `classes` makes them learnable."""
