"""Table columns: numbers of the competition's table, by which a stack may weigh its members otherwise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from kit.errors import BadData, Usage, did_you_mean, listed
from kit.inference.blending.stacking import Columns
from kit.inputs.cells import MOSTLY, Cells

SHOWN = 8


def named(text: str, train: pd.DataFrame, test: pd.DataFrame, answers: Sequence[str]) -> tuple[str, ...]:
    """The columns of `--columns age,size`. Raises Usage for one that both tables do not have, or that holds no numbers."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    able = [str(name) for name in train.columns if name in test.columns and name not in answers]
    for name in names:
        if name not in able:
            why = "holds the answer" if name in answers else "is no column of both the training and the test table"
            raise Usage(f"--columns {name}: {why}.{did_you_mean(name, able)} There are {listed(able, SHOWN)}.")
        cells = Cells(train[[name]])
        said = ~cells.blank(name)
        if not said.any() or cells.stray(name).sum() > (1 - MOSTLY) * said.sum():
            raise Usage(f"--columns {name}: its cells are no numbers.")
    return names


def read(names: Sequence[str], table: pd.DataFrame) -> Columns:
    """The numbers of these columns. Raises BadData where the table lacks one."""
    lost = [name for name in names if name not in table.columns]
    if lost:
        raise BadData(
            f"the blend looks at {listed(lost)}, which the table does not have. It has {listed(table.columns, SHOWN)}."
        )
    cells = Cells(table[list(names)])
    values = [cells.numbers(name) for name in names]
    return Columns(tuple(names), np.stack(values, axis=1) if values else np.zeros((len(table), 0)))
