"""Readings: what was read in each picture and how surely, as a table and a sheet of the least sure for a person to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.errors import listed
from kit.labels.reading import SURE, Reading
from kit.reporting import contact_sheet
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd

WORST, MOST = 24, 96  # pictures on the sheet: the least sure, and all doubtful ones up to so many
ACROSS = 3
DOUBTFUL = SURE  # below it another text may be as probable


def table(predictions: pd.DataFrame, labels: Reading) -> pd.DataFrame:
    """Text, confidence and numbers of each row (index: id), the least sure first."""
    import pandas as pd

    values = predictions.to_numpy(np.float32)
    numbers = pd.DataFrame(labels.decode(values, list(labels.names)), index=predictions.index)
    count = len(labels.names)
    numbers.insert(0, "reading", labels.texts(values[:, count + 1 :]))
    numbers.insert(1, "confidence", values[:, count].astype(float).round(6))
    return numbers.iloc[np.argsort(values[:, count], kind="stable")]


def write(folder: Path, labels: Reading, test: pd.DataFrame, pictures: Any, oof: pd.DataFrame | None = None) -> str:
    """Write `readings.csv` and `readings.png`; returns a line that names the doubtful test rows, if any.

    `pictures`: those of the test rows, in their order. `oof`: the training rows, as read by models that never saw them.
    """
    import pandas as pd

    read = table(test, labels)
    parts = {"test": read} if oof is None else {"test": read, "train": table(oof, labels)}
    every = pd.concat([part.assign(rows=name) for name, part in parts.items()])
    frames.write_csv(folder / "readings.csv", every)
    doubtful = list(read.index[read["confidence"] < DOUBTFUL])
    shown = read.iloc[: max(WORST, min(len(doubtful), MOST))]
    captions = [
        f"{row_id}   {text or 'unreadable: the medians'}   {confidence:.2f}"
        for row_id, text, confidence in zip(shown.index, shown["reading"], shown["confidence"], strict=True)
    ]
    contact_sheet.write(
        folder / "readings.png", contact_sheet.captioned(list(pictures[test.index.get_indexer(shown.index)]), captions, ACROSS)
    )
    if not doubtful:
        return ""
    found = f"{len(doubtful)} test rows are read with less than {DOUBTFUL:.0%} confidence"
    return f"{found} (ids {listed(doubtful)}): see {folder}/readings.png"
