"""Test rows (and unlabelled ones) that train: fold k learns them as the other run's fold k answers them.

Its models have not seen the rows that fold k validates. A row that repeats such a row does not train fold k.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from kit import competition as competitions, config as configs
from kit.config import Config
from kit.data import joined_pictures
from kit.data.folds import Folds
from kit.errors import BadData, Usage
from kit.inputs.base import Loaded, kind_of
from kit.inputs.mixed.rows import first_part
from kit.labels import Labels
from kit.pipeline.dealing import extra_rows
from kit.pipeline.pseudo import unlabelled
from kit.pipeline.pseudo.source import answered, asked, complete, refuse_other_folds
from kit.storage import frames
from kit.storage.run_folder import Run
from kit.storage.runs.parts import RunPart
from kit.training.fold import Fold

FILE = "pseudo.csv"


@dataclass(frozen=True)
class PseudoLabels:
    """What a run trains on beside its own rows: the test rows and maybe unlabelled ones, which come after these.

    `parts`: by fold and repeat (or the refit), their answers as `encode` gives them [m, …], and which of them train [m];
    `ids`: theirs [m].
    """

    weight: float
    parts: dict[RunPart, tuple[np.ndarray, np.ndarray]]
    ids: pd.Index

    def onto(self, fold: Fold, part: RunPart) -> Fold:
        """A fit with these rows too."""
        answers, trains = self.parts[replace(part, seed=0)]
        count = len(fold.y)
        rows = np.concatenate([fold.train, count + np.flatnonzero(trains)])
        weights = fold.weights
        if weights is not None or self.weight != 1:
            own = np.ones(count, np.float32) if weights is None else weights
            weights = np.concatenate([own, np.full(len(answers), self.weight, np.float32)])
        groups = fold.groups  # a test row is a group of its own
        if groups is not None:
            groups = np.concatenate([groups, groups.max() + 1 + np.arange(len(answers))])
        return replace(fold, y=np.concatenate([fold.y, answers]), train=rows, groups=groups, weights=weights)

    def count(self, part: RunPart) -> int:
        """How many of these rows a fit trains on."""
        return int(np.count_nonzero(self.parts[replace(part, seed=0)][1]))

    @property
    def digest(self) -> str:
        """A checksum of all of it."""
        about = hashlib.sha256(str(self.weight).encode())
        for part, arrays in self.parts.items():
            about.update(str(part).encode())
            for array in arrays:
                about.update(np.ascontiguousarray(array).tobytes())
        return about.hexdigest()


def read(
    mine: Run, facts: competitions.Competition, tables: competitions.Tables, loaded: tuple[Loaded, Loaded], dealt: Folds,
    config: Config,
) -> tuple[PseudoLabels | None, Any, list[str]]:  # fmt: skip
    """What `--pseudo` adds to a run (None: nothing), the rows to train on with what it adds, and what there is to say of it.

    Which of its rows train which fold is kept in `pseudo.csv`. Raises Usage where the folds are others.
    """
    if not asked(config):
        return None, loaded[0].rows, []
    run, labels, ids = complete(config.pseudo), tables.labels.undecided, tables.sample.index
    refuse_other_folds(run, mine, dealt, config)
    refuse_apart(*loaded)
    further = unlabelled.rows_of(facts, tables, config, loaded[0].rows)
    parts = [RunPart(k, repeat) for repeat, one in enumerate(dealt.repeats) for k in one.numbers]
    parts += [RunPart(None)] if config.final != "folds" else []
    predicted = {part: answered(run, labels, part, ids, config) for part in parts}
    loaded = (loaded[0], unlabelled.behind(loaded[1], further))
    if len(further):
        more = unlabelled.answered(run, mine, labels, parts, further, tables.root)
        predicted = {part: np.concatenate([some, more[part]]) for part, some in predicted.items()}
        ids = ids.append(unlabelled.ids_of(further))
    trains = kept(mine, parts, ids)
    if trains is None:
        usable = ~ids.isin(list(loaded[1].broken))
        same = extra_rows.twins(facts, *loaded, len(tables.train))
        trains = {part: usable & ~repeated(same, dealt, part) for part in parts}
        share = share_of(mine, labels, predicted[parts[0]], config)
        trains = {part: surest(labels, predicted[part], rows, share) for part, rows in trains.items()}
        keep(mine, trains, ids)
    notes = remarks(run, trains, "test and unlabelled" if len(further) else "test", config)
    answers = {part: (labels.as_answers(predicted[part]), trains[part]) for part in parts}
    return PseudoLabels(config.pseudo_weight, answers, ids), joined(loaded[0].rows, loaded[1].rows), notes


def remarks(run: Run, trains: dict[RunPart, np.ndarray], which: str, config: Config) -> list[str]:
    """Lines on how many of `which` rows train. Raises BadData where none does."""
    counts = sorted({int(rows.sum()) for rows in trains.values()})
    if not counts[-1]:
        raise BadData(f"--pseudo {config.pseudo}: none of its rows is left to train on.")
    words = f"{counts[-1]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    total = len(next(iter(trains.values())))
    notes = [f"{words} of {total:,} {which} rows train each fold, as the same fold of {config.pseudo} answers them"]
    if run.record.settings["checkpoint"] == "best" or run.record.settings["early_stop"]:
        notes.append(f"{config.pseudo} chose its epochs on the rows that are validated here, so the score may flatter a little")
    return notes


def repeated(same: extra_rows.Twins, dealt: Folds, part: RunPart) -> np.ndarray:
    """Which test rows [m] repeat a row that a fold validates."""
    if part.fold is None:
        return np.zeros(len(same.test), bool)
    return np.isin(same.test, same.train[dealt.repeats[part.repeat].fold == part.fold])


def share_of(mine: Run, labels: Labels, predicted: np.ndarray, config: Config) -> float:
    """The share of the test rows that train: all where answers have no certainty. Raises Usage where a flag asks for fewer."""
    if labels.certainty(predicted) is not None or config.pseudo_share == 1:
        return config.pseudo_share
    if "pseudo_share" in configs.by_hand(mine.record.origins):
        raise Usage(
            f"--pseudo-share {config.pseudo_share:g}: {labels.describe()} has no certainty to choose rows by. Leave it out."
        )
    return 1.0


def surest(labels: Labels, predicted: np.ndarray, usable: np.ndarray, share: float) -> np.ndarray:
    """Of the usable rows [m], the share whose answers are the most certain; those with no certainty at all never."""
    certainty = labels.certainty(predicted)
    if certainty is None:
        return usable
    rows = np.flatnonzero(usable & (certainty > 0))
    first = rows[np.argsort(-certainty[rows], kind="stable")][: round(share * len(rows))]
    return np.isin(np.arange(len(usable)), first)


def keep(run: Run, trains: dict[RunPart, np.ndarray], ids: pd.Index) -> None:
    """Write which fold trains on which test row (0 or 1)."""
    named = {str(part): rows.astype(int) for part, rows in trains.items()}
    frames.write_csv(run.path / FILE, pd.DataFrame(named, index=pd.Index(ids, name="id")))


def kept(run: Run, parts: Sequence[RunPart], ids: pd.Index) -> dict[RunPart, np.ndarray] | None:
    """Undoes `keep`: bool [m] by part; None where it was not written for these parts and rows."""
    if not (run.path / FILE).exists():
        return None
    frame = frames.read_by(run.path, FILE)
    if list(frame.columns) != [str(part) for part in parts] or not frame.index.equals(pd.Index(ids)):
        return None
    return {part: (frame[str(part)] == "1").to_numpy() for part in parts}


def joined(train: Any, test: Any) -> Any:
    """Training rows, and the test rows after them, as the models take them."""
    return train + test if kind_of(train) != "images" else joined_pictures.joined(train, test)


def refuse_apart(train: Loaded, test: Loaded) -> None:
    """Raise BadData for pictures of two sizes, which cannot be joined; Usage for those of which repeated ones are not found."""
    rows, looks = ([first_part(one) for one in pair] for pair in ((train.rows, test.rows), (train.look, test.look)))
    if kind_of(rows[0]) != "images":
        return
    if rows[0].shape[1:] != rows[1].shape[1:]:
        sizes = [f"{some.shape[2]}×{some.shape[1]}" for some in rows]
        raise BadData(
            f"--pseudo: training pictures are {sizes[0]}, test pictures {sizes[1]}. Give one size to all with --size."
        )
    if looks[0].shape[1:] != looks[1].shape[1:]:
        raise Usage(
            "--pseudo: only the training or only the test pictures fit --cache-gb, so they cannot be compared."
            " Give --cache-gb 0, or enough for both."
        )
