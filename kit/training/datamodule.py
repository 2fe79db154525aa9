"""Photos: batches whose images are decoded or augmented one by one, in worker processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kit.config import Config
from kit.data import tokenization
from kit.errors import BadData
from kit.inputs.cells import Cells
from kit.inputs.text import Texts
from kit.models.transformer_module import tokens_of
from kit.training.loaders import Batches, Named, TextBatches, Whole
from kit.training.workers import PhotoBatches

TABLE_STEPS, TABLE_BATCH = 16, 32  # a small table's steps an epoch, of so many rows at least: else it learns too little


def make(
    images: Any, y: np.ndarray, rows: np.ndarray, config: Config, fold: int, mirror: bool, say: Callable[[str], None]
) -> Batches:
    """The feed that a Config and these inputs (an array, streamed, texts, cells) ask for. `mirror`: may they be mirrored?"""
    plain: tuple[Any, ...] = (y, rows, config.batch, config.seed, fold, config.accumulate)
    if config.model in ("ngrams", "boosting"):
        return Whole(y, rows)
    if isinstance(images, Texts):
        tokenizer, _ = tokenization.load(config.model, config.weights)
        return TextBatches(tokens_of(images, tokenizer), min(config.tokens, tokenizer.most), *plain)
    if isinstance(images, Cells):
        batch = min(config.batch, max(TABLE_BATCH, len(rows) // TABLE_STEPS))
        return Named(images, y, rows, batch, config.seed, fold, config.accumulate)
    plain = (images, *plain)
    if config.augment == "photo" and images.shape[-1] != 3:
        raise BadData("--augment photo: is for colour images; these are grey. Try medium.")
    if config.augment == "photo" or not isinstance(images, np.ndarray):
        return PhotoBatches(*plain, policy=config.augment, mirror=mirror, workers=config.workers, say=say)
    return Batches(*plain)
