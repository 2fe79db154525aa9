"""Meaning: a run's score in words: what the metric counts, how far the score may be off, what answering blindly would score."""

from __future__ import annotations

import numpy as np

from kit.metrics import defined, shown
from kit.reporting.report import findings
from kit.reporting.report.findings import Findings

WORDS = {
    "accuracy": "the share of rows that are predicted right",
    "balanced_accuracy": "the share of rows that are predicted right, as a mean over classes: rare ones count as much",
    "auc": "how often a row that is of the class gets a higher probability than one that is not; 0.5 is chance",
    "log_loss": "the mean of −log of the probability that the true answer got; 0 is perfect, sure and wrong costs most",
    "mean_log_loss": "the mean of −log of the probability that each true answer got; 0 is perfect, sure and wrong costs most",
    "f1": "the harmonic mean of precision and recall: 1 where all that is named is right and nothing is missed",
    "f1_macro": "the harmonic mean of precision and recall of each class, as a mean over classes: rare ones count as much",
    "f1_micro": "the harmonic mean of precision and recall over all answers together",
    "f1_samples": "the harmonic mean of precision and recall of each row, as a mean over rows",
    "rmse": "the root of the mean squared error, in the unit of the answer; large errors count most",
    "mcrmse": "the root of the mean squared error of each number, as a mean over numbers",
    "rmsle": "the root of the mean squared error of logarithms: 0.1 is an error of about 10 %",
    "mae": "the mean distance from the true number, in its unit",
    "qwk": "the agreement with the true grades: 0 is chance, 1 is perfect; an answer two grades off counts four times",
}


def meaning(found: Findings, folds: list[float]) -> str:
    """Whole sentences on the score of a complete run; `folds`: those of its folds. Empty where it has none."""
    scores = found.scores
    if defined(scores.get("oof")) is None:
        return ""
    metric = scores["metric"]
    about = f"{metric}: {WORDS[metric]}" if metric in WORDS else metric
    lines = [
        f"{shown(scores['oof'])} is the score ({about}) of {scores['rows']['train']:,} training rows, each predicted by models "
        f"that did not learn from it. {'Higher' if scores['higher_is_better'] else 'Lower'} is better."
    ]
    if (blind := blindly(found, metric)) is not None:
        lines.append(f"{blind[0]} would score {shown(blind[1])}.")
    repeats = scores.get("rounds", {}).get("repeats", 1)  # of the same rows, which tell no more together
    if len(folds) > 1:
        error = float(np.std(folds, ddof=1) / np.sqrt(len(folds) / repeats))
        lines.append(
            f"By how its folds differ it is sure to about ± {error:.5f}; a smaller difference from another run may be chance."
        )
    return " ".join(lines)


def blindly(found: Findings, metric: str) -> tuple[str, float] | None:
    """An answer that looks at no input, and its score; None where there is no such answer for the metric."""
    classes, numbers = findings.classes(found), findings.numbers(found)
    if metric == "accuracy" and classes is not None:
        return "Answering always the most frequent class", float(np.bincount(classes.truth).max() / len(classes.truth))
    if metric in ("rmse", "mae") and numbers is not None and len(numbers.names) == 1:
        truth = numbers.truth[np.isfinite(numbers.truth)]
        if metric == "rmse":
            return "Answering always the mean", float(truth.std())
        return "Answering always the median", float(np.abs(truth - np.median(truth)).mean())
    return None
