"""Gate: did pseudo-labels pay? The out-of-fold score, beside that of the run whose answers were learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from kit import config as configs
from kit.inference import blend_weights
from kit.inference.blend_weights import Gain
from kit.inference.decisions.learning import learn
from kit.labels import Labels
from kit.metrics import Metric, defined
from kit.pipeline.pseudo.source import complete
from kit.storage.run_folder import Run, read_json
from kit.storage.runs.parts import SEAL

KNOBS = ("pseudo", "pseudo_rows", "pseudo_weight", "pseudo_share")


def gained(labels: Labels, metric: Metric, y: np.ndarray, before: np.ndarray, now: np.ndarray) -> Gain:
    """By how much out-of-fold predictions [n, c] score better now, on rows with encoded answers `y`; without a decision."""
    labels, sign = labels.undecided, 1 if metric.higher_is_better else -1
    truth = labels.truth(y)

    def score(rows: np.ndarray, answers: np.ndarray) -> float:
        return sign * metric(truth[rows], answers)

    return blend_weights.gained(labels.harden(now), labels.harden(before), score)


def verdict(mine: Run, labels: Labels, metric: Metric, y: np.ndarray, oof: pd.DataFrame, fold: np.ndarray) -> dict[str, Any]:
    """What `scores.json` says: the out-of-fold scores of the run that gave the answers and of mine, and did it pay?

    Both are scored as the decisions have it that the other folds taught, as submissions are decided too. `y`: the encoded
    answers of the rows of `oof`; `fold`: theirs [n]. `differences`: knobs in which the two runs differ besides, and
    `longer`: how many times as many rows mine saw in all its epochs, so that not all of the gain is that of the answers.
    """
    run, plain = complete(mine.record.config["pseudo"]), labels.undecided
    pairs = ((run, run.oof.loc[oof.index]), (mine, oof))
    before, now = (decided(one, plain, metric, y, frame.to_numpy(np.float32), fold) for one, frame in pairs)
    gain = gained(labels, metric, y, before, now)
    apart = dict.fromkeys((*KNOBS, "folds_from"))
    return {
        "run": str(run.path),
        "paid": gain.pays,
        "before": defined(metric(plain.truth(y), plain.harden(before))),
        "now": defined(metric(plain.truth(y), plain.harden(now))),
        "gain": defined(gain.gain),
        "noise": defined(gain.noise),
        "longer": longer(run, mine),
        "differences": configs.difference(run.record.settings | apart, mine.record.settings | apart),
    }


def decided(run: Run, labels: Labels, metric: Metric, y: np.ndarray, oof: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """A run's out-of-fold predictions [n, c], each fold's as the decision has it that the others taught; see `--decide`."""
    learned = None if run.record.settings["decide"] == "none" else learn(labels, metric, y, oof, fold)
    return oof if learned is None else learned.predictions


def longer(run: Run, mine: Run) -> float | None:
    """How many times as many rows, counted once for each epoch, the folds of mine were trained on; None where one epoch is all.

    A network that was trained too briefly gains by more steps alone: of 300 digits, ten epochs with pseudo-labels scored as
    many steps without.
    """
    before, now = _rows_seen(run), _rows_seen(mine)
    return now / before if before and now else None


def _rows_seen(run: Run) -> float | None:
    """Rows times epochs, the mean over the folds; None for a fit in one step, and where the epochs are not known."""
    each = [read_json(run.fold(part) / SEAL) for part in run.record.parts if part.fold is not None]
    if any(one["epochs"] in ("", 0, 1) for one in each):
        return None
    return float(np.mean([one["rows"] * one["epochs"] for one in each]))
