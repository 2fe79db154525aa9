"""FoldData: the rows of one fold as a LightningDataModule, for the kit's own fits and for any other Trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from kit.config import Config
from kit.console import say
from kit.inputs.cells import Cells
from kit.inputs.column_encoding import Encoding
from kit.inputs.mixed.rows import MixedRows
from kit.models.base import ROWS_PER_PASS, FoldModel
from kit.models.batch import Batch, Feed, taken
from kit.models.lightning.module import FoldModule
from kit.training import training_batches
from kit.training.fold import Fold
from kit.training.loaders import Batches


class FoldData(pl.LightningDataModule):
    """The rows of one fold: batches to train on; its validation rows and the test's, in their order, to predict.

    A batch is a `kit.models.batch.Batch`: `x, y = batch`. Pictures are uint8 [b, channels, height, width]; texts are lists;
    of a table `x` is {"numbers": float32 [b, p], NaN where a cell says nothing, "codes": int64 [b, k] of categories}, by what
    the training rows taught; where pictures or texts stand beside a table, they are "first" in it. A FoldModule gets what its
    own `feed` and `gather` make of the rows instead.
    `module`: the class of the FoldModule to be trained; else the Trainer tells. `test`: the test's rows as they are loaded.
    """

    def __init__(
        self, fold: Fold, test: Any = None, *, module: type[FoldModel] | None = None, tell: Callable[[str], None] = say
    ):
        super().__init__()
        self.fold, self.test, self.module, self.tell = fold, test, module, tell
        self._tables: dict[str, EncodedTable] = {}

    def setup(self, stage: str) -> None:
        """Tell the Trainer's FoldModule the competition's metric."""
        if self._model is not None:
            self._model.score_by(self.fold.metric)

    def train_dataloader(self) -> Batches:
        fold = self.fold
        kind = self.module or (type(self._model) if self._model is not None else None)
        config = self._config
        if kind is None:
            return training_batches.batches(fold, self._plain_feed(), config, self.tell)
        return training_batches.for_kind(fold, kind, config, self.tell)

    def val_dataloader(self) -> Rows:
        return self._rows("train", self.fold.x, self.fold.valid, torch.from_numpy(self.fold.y))

    def test_dataloader(self) -> Rows:
        """The validation rows: the test's have no answers that a metric could be computed from."""
        return self.val_dataloader()

    def predict_dataloader(self) -> Rows:
        return self._rows("test", self.test, np.arange(len(self.test)), None)

    @property
    def _config(self) -> Config:
        """Of the module that another Trainer trains: `fold.module(batch=32)` may have knobs that the study has not."""
        return self.fold.config if self.module is not None or self._model is None else self._model.config

    @property
    def _model(self) -> FoldModule | None:
        model = self.trainer.lightning_module if self.trainer is not None else None
        return model if isinstance(model, FoldModule) else None

    def _rows(self, split: str, x: Any, rows: np.ndarray, y: torch.Tensor | None) -> Rows:
        model = self._model
        if model is not None:
            return Rows(lambda some: model.gather(x, some), rows, model.rows_per_pass(self.fold.config.devices), y)
        plain = self._plain(split, x)
        return Rows(lambda some: Batch(taken(plain, some), None, torch.from_numpy(some)), rows, ROWS_PER_PASS, y)

    def _plain_feed(self) -> Feed:
        plain = self._plain("train", self.fold.x)
        return Feed(lambda rows: taken(plain, rows), self.fold.config.batch)

    def _plain(self, split: str, x: Any) -> Any:
        """The rows as a module that is no FoldModule takes them."""
        mixed = isinstance(x, MixedRows)
        if not mixed and not isinstance(x, Cells):
            return x
        cells, known = (x.table, self.fold.x.table) if mixed else (x, self.fold.x)
        if split not in self._tables:
            self._tables[split] = EncodedTable(Encoding.learn(known, self.fold.train), cells)
        return Beside(x.first, self._tables[split]) if mixed else self._tables[split]


class EncodedTable:
    """A table's rows as numbers and codes of categories, by an encoding that the training rows taught."""

    def __init__(self, encoding: Encoding, cells: Cells):
        numbers = np.zeros((len(cells), encoding.width), np.float32)
        encoding.fill(numbers, cells)
        codes = list(encoding.codes_of(cells))
        self.numbers = torch.from_numpy(numbers)
        self.codes = torch.from_numpy(np.stack(codes, axis=1) if codes else np.zeros((len(cells), 0), np.int64))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: np.ndarray) -> dict[str, torch.Tensor]:
        index = torch.from_numpy(rows)
        return {"numbers": self.numbers[index], "codes": self.codes[index]}


class Beside:
    """Pictures or texts, and the encoded table of the same rows."""

    def __init__(self, first: Any, table: EncodedTable):
        self.first, self.table = first, table

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: np.ndarray) -> dict[str, Any]:
        return {"first": taken(self.first, rows), **self.table[rows]}


class Rows:
    """Rows in their order, as batches to predict; with their answers where `y` [n] has them."""

    def __init__(self, gather: Callable[[np.ndarray], Batch], rows: np.ndarray, each: int, y: torch.Tensor | None):
        self.gather, self.rows, self.y = gather, rows, y
        self.each = max(1, min(each, len(rows)))

    def __len__(self) -> int:
        return -(-len(self.rows) // self.each)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.rows), self.each):
            some = self.rows[start : start + self.each]
            batch = self.gather(some)
            yield batch if self.y is None else replace(batch, y=self.y[torch.from_numpy(some)])
