"""Readers: regressions on the n-grams of texts, fitted within a fold for a model that learns from columns too."""

from __future__ import annotations

import numpy as np
import torch

from kit.config import Config
from kit.data import duplicates
from kit.inputs.texts import Texts
from kit.labels import Labels
from kit.models.batch import Batch
from kit.models.texts import ngram_penalty
from kit.models.texts.ngram_module import NgramModule

TEXT_KNOBS = {"epochs": 1, "devices": "cpu", "precision": "fp32"}


def fitted(
    config: Config, labels: Labels, texts: Texts, rows: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None
) -> NgramModule:
    """The n-gram model of these training rows, in eval mode on the CPU; `y`, `groups`: of all rows."""
    reader = NgramModule.of(config.changed(**TEXT_KNOBS), labels, texts, steps=1)
    reader.groups = groups
    reader.learn(texts, rows, y)
    reader.training_step(Batch(None, torch.from_numpy(y[rows]), torch.from_numpy(rows)), 0)
    reader.finish()
    return reader.eval()


def read(reader: NgramModule, texts: Texts, rows: np.ndarray) -> np.ndarray:
    """Its logits, float32 [rows, answers]; of numbers the values themselves."""
    with torch.inference_mode():
        logits = reader.logits(reader.gather(texts, rows).x)
        return (logits * reader.scale + reader.shift).numpy()


def groups_of(texts: Texts, groups: np.ndarray | None) -> np.ndarray | None:
    """The groups of all rows, those with the same text as one; None where there are neither groups nor such rows."""
    same = texts.twins()
    if len(np.unique(same)) == len(same):
        return groups
    return same if groups is None else duplicates.joined(groups, same)


def unseen(
    config: Config, labels: Labels, texts: Texts, rows: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    """What readers say of training rows that they have not seen, as `read` has it [n of all, answers]; 0 for other rows.

    What a reader says of rows that it was fitted to is far surer than what it says of others: a model that learned from that
    would trust it too much. Nor has a reader seen a row of the same group.
    """
    said = np.zeros((len(texts), len(labels.columns)), np.float32)
    parts = ngram_penalty.parted(rows, config.seed, groups)
    for k, part in enumerate(parts):
        others = np.sort(np.concatenate(parts[:k] + parts[k + 1 :]))
        if len(part) and len(others):
            said[part] = read(fitted(config, labels, texts, others, y, groups), texts, part)
    return said
