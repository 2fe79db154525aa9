"""Readings: what was read in each picture and how surely, as a table and a sheet of the least sure for a person to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.errors import listed
from kit.labels import Labels
from kit.labels.reading import SURE
from kit.reporting import contact_sheet
from kit.storage import frames

WORST, MOST = 24, 96  # pictures on the sheet: the least sure, and all doubtful ones up to so many
ACROSS = 3
DOUBTFUL = SURE  # below it another text may be as probable


def table(predictions: pd.DataFrame, labels: Labels) -> pd.DataFrame | None:
    """Text, confidence and numbers of each row (index: id), the least sure first; None where the labels read no text."""
    read = labels.transcripts(predictions.to_numpy(np.float32))
    if read is None:
        return None
    confidence = read.confidence.astype(float).round(6)
    rows = pd.DataFrame({"reading": read.texts, "confidence": confidence, **read.numbers}, index=predictions.index)
    return rows.iloc[np.argsort(read.confidence, kind="stable")]


def write(folder: Path, labels: Labels, test: pd.DataFrame, pictures: Any, oof: pd.DataFrame | None = None) -> str:
    """Write `readings.csv` and `readings.png`; returns a line that names the doubtful test rows, if any.

    Where the labels read no text, nothing is written. `pictures`: those of the test rows, uint8 [n, h, w, c], in their
    order. `oof`: the training rows, as read by models that never saw them.
    """
    read = table(test, labels)
    if read is None:
        return ""
    parts = {"test": read} if oof is None else {"test": read, "train": table(oof, labels)}
    both = pd.concat([part.assign(rows=name) for name, part in parts.items() if part is not None])
    frames.write_csv(folder / "readings.csv", both)
    doubtful = list(read.index[read["confidence"] < DOUBTFUL])
    shown = read.iloc[: max(WORST, min(len(doubtful), MOST))]
    captions = [
        f"{row_id}   {text or 'unreadable: the medians'}   {confidence:.2f}"
        for row_id, text, confidence in zip(shown.index, shown["reading"], shown["confidence"], strict=True)
    ]
    rows = list(pictures[test.index.get_indexer(shown.index)])
    contact_sheet.write(folder / "readings.png", contact_sheet.captioned(rows, captions, ACROSS))
    if not doubtful:
        return ""
    doubt = f"{len(doubtful)} test rows are read with less than {DOUBTFUL:.0%} confidence"
    return f"{doubt} (ids {listed(doubtful)}): see {folder}/readings.png"
