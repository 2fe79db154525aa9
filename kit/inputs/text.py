"""Text: a column of the table that people wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from kit import recipes
from kit.config import Config
from kit.inputs.base import KEEP_ALL, Encode, Inputs, Keep, Loaded
from kit.inputs.detection import Beginning, Evidence
from kit.inputs.texts import Texts
from kit.storage import files, frames
from kit.storage.tables import table_file
from kit.storage.tables.table_file import TableFormat

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["NGRAMS", "NGRAMS_BEST", "TRANSFORMER", "Text", "Texts"]

TRANSFORMER = recipes.TRANSFORMER.preset(model="distilbert-base-uncased")
# On five sets of short texts a penalty of 0.1 to 0.3 had the least loss; film reviews lose 0.0002 of AUC from 0.5 to 0.1.
NGRAMS = Config(model="ngrams", epochs=1, inverse_penalty=0.2)
NGRAMS_BEST = NGRAMS.changed(iterations=30, vectors=128, characters=5, statistics=1, inverse_penalty="auto")
FEW, FEW_VECTORS = 500, 64  # texts: with fewer, vectors of all texts add what n-grams of so few cannot know (lab book)
LEAST = 5  # words of a cell on average, and no fewer than the other columns are: else it is a name, an address, a category
DISTINCT = 0.5  # share of the texts that differ at least
WORDS = ("plain", "wonderful", "dreadful", "lively", "wooden", "moving")
FILLERS = ("the", "film", "was", "and", "a", "story", "of", "people", "who", "travel")


@dataclass(frozen=True)
class Text(Inputs):
    """The texts in the column `column`. `delimiter`, `escape`: how the tables are written (a quote within quotes).

    `unlabelled`: a table of further texts without answers, in the same column; `Config.vectors` learns from them.
    """

    column: str
    delimiter: str = ""
    escape: str = ""
    unlabelled: str = ""
    kind: ClassVar[str] = "text"
    channels: int = 0
    mirror: bool = False

    @classmethod
    def detect(cls, evidence: Evidence) -> Self | None:
        """The column of the longest texts, if any column holds texts."""
        cells = evidence.train[evidence.shared]
        wordy = [name for name in cells if cells[name].str.contains("[^\\W\\d_]").mean() > DISTINCT]  # not rows of numbers
        words = {name: cells[name].str.count(r"\S+").mean() for name in wordy if cells[name].nunique() > DISTINCT * len(cells)}
        longest = max(words, key=lambda name: words[name], default="")
        if not longest or words[longest] < max(LEAST, len(evidence.shared) - 1):
            return None
        return cls(longest, delimiter=evidence.delimiter, escape=evidence.escape, unlabelled=evidence.unlabelled)

    def used_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def beginning(self, root: Path, train: pd.DataFrame | None, outputs: int = 1, encode: Encode | None = None) -> Beginning:
        few = train is not None and len(train) < FEW
        return Beginning("texts", NGRAMS.changed(vectors=FEW_VECTORS) if few else NGRAMS, NGRAMS_BEST)

    def presets(self) -> dict[str, Config]:
        return {**super().presets(), "transformer": TRANSFORMER}

    @property
    def form(self) -> TableFormat:
        return TableFormat(self.delimiter, "backslash" if self.escape else "")

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        frames.need_columns(frame, [self.column], f"the {split} table")
        return Loaded(Texts([str(text) for text in frame[self.column]]))

    def files(self, root: Path) -> list[Path]:
        found = files.find(root, self.unlabelled) if self.unlabelled else None
        return [found] if found else []

    def further(self, root: Path, stated: TableFormat) -> Texts:
        """The texts that have no answer and need none; none where there is no such table. Raises BadData for a broken one.

        `stated`: how the competition's tables are written, as far as it is said; this one is read alike.
        """
        if not self.files(root):
            return Texts([])
        table = table_file.read(files.read(root, self.unlabelled), self.unlabelled, self.form.over(stated)).frame
        frames.need_columns(table, [self.column], self.unlabelled)
        return Texts([str(text) for text in table[self.column]])

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        def sentence(one: int) -> str:
            words = [WORDS[one % len(WORDS)], *rng.choice(FILLERS, 12), f"take{rng.integers(1000)}"]
            return " ".join(rng.permutation(words)) + "."

        if self.unlabelled and split == "train":
            more = frames.of_text({self.column: [sentence(one) for one in classes * 2]})
            files.write(root / self.unlabelled, table_file.write_text(more, self.form))
        return {self.column: [sentence(one) for one in classes]}
