"""What every kind of Inputs offers: reading a table, loading its rows, inventing some."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kit import frames

if TYPE_CHECKING:
    import pandas as pd


class Inputs(ABC):
    """How rows become arrays. Images are uint8 [n, height, width, channels], decoded once."""

    kind: ClassVar[str]
    channels: int

    def read_csv(self, data: bytes, name: str) -> pd.DataFrame:
        """A table of the competition: text cells, but for columns that are this input's own numbers."""
        return frames.read_csv(data, name)

    def files(self, root: Path) -> list[Path]:
        """The files besides the tables that hold this input."""
        return []

    @abstractmethod
    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int) -> np.ndarray:
        """The rows of a frame (index: id) as one array. `split` is "train" or "test"; `size` 0 keeps the own size.

        Raises BadData naming file, row and id.
        """

    @abstractmethod
    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        """Invent the inputs of these rows: writes their files, returns their columns. `classes` makes them learnable."""
