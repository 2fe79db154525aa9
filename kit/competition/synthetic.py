"""Synthetic data: a small competition folder invented from a Competition's facts, so that every adapter can be tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kit.competition.facts import Competition
from kit.storage import files, frames


def fabricate(facts: Competition, root: Path, train: int = 8, test: int = 8, seed: int = 0) -> None:
    """Write train, test and sample files (and pictures) of so many rows below `root`, in the competition's layout."""
    if facts.invent:
        facts.invent(facts, root, train, test)
        return
    rng = np.random.default_rng(seed)
    answers = pd.DataFrame(facts.labels.fabricate(train, rng), dtype=object)
    more = {facts.group: [f"g{i // 2}" for i in range(train)]} if facts.group else {}
    more |= {facts.time: [str(i) for i in range(train)]} if facts.time else {}
    table = _with_inputs(facts, root, answers, split="train", rng=rng, more=more)
    files.write(root / facts.train, facts.inputs.csv_text(table))
    unknown = pd.DataFrame(facts.labels.fabricate(test, rng), dtype=object)
    rows = _with_inputs(facts, root, unknown, split="test", rng=rng, more={})
    ids = list(rows[facts.id]) if facts.id in rows else [str(i + 1) for i in range(test)]
    if facts.test:
        files.write(root / facts.test, facts.inputs.csv_text(rows.drop(columns=list(facts.labels.train_columns))))
    if not facts.sample:
        return
    bound = facts.labels.bind(answers)
    prior = np.repeat(bound.prior(bound.encode(answers))[None], test, axis=0)
    names = list(bound.asked)
    sample = pd.DataFrame({facts.id: ids, **{name: bound.decode(prior, names)[name] for name in names}})
    frames.write_csv(root / facts.sample, sample, index=False)


def _with_inputs(
    facts: Competition, root: Path, answers: pd.DataFrame, *, split: str, rng: np.random.Generator, more: dict[str, list[str]]
) -> pd.DataFrame:
    """A table of ids, answers, `more` columns and what the inputs invent beside them."""
    ids = [facts.inputs.example_id(split, i) for i in range(len(answers))]
    classes = [int(code) for code in np.unique(answers.astype(str).agg("|".join, axis=1), return_inverse=True)[1]]
    table = pd.concat([pd.DataFrame({facts.id: ids}), answers, pd.DataFrame(more)], axis=1)
    known = [facts.id, *more, *(answers.columns if split == "train" else ())]
    cells = {name: list(table[name]) for name in facts.inputs.used_columns() or () if name in known}
    how: dict[str, Any] = {"cells": cells} if cells else {}
    columns = pd.DataFrame(facts.inputs.fabricate(root, ids, split=split, classes=classes, rng=rng, **how))
    in_table = not facts.inputs.numbered or facts.group or facts.time
    table = table if in_table else table.drop(columns=facts.id)
    return pd.concat([table, columns.drop(columns=list(more), errors="ignore")], axis=1)
