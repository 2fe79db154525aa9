"""Graphs: the models of a run as one network of plain tensors: raw inputs in, predictions out, folds averaged inside."""

from __future__ import annotations

from typing import Any

from kit.errors import Usage
from kit.models.graphs import tables
from kit.models.graphs.base import Average, Graph
from kit.models.graphs.images import Pictures
from kit.models.graphs.readers import Ballot, Lines
from kit.models.graphs.texts import Grams, Tokens
from kit.models.images.image_module import ImageModule
from kit.models.images.reader_module import ReaderModule
from kit.models.tables.boosting_module import BoostingModule
from kit.models.tables.mlp_module import MLPModule
from kit.models.texts.ngram_module import NgramModule

__all__ = ["Average", "Ballot", "Graph", "make"]


def make(models: list[Any], weights: list[float]) -> Graph:
    """The one graph of a run's models. Raises Usage where they have none."""
    first = models[0]
    if isinstance(first, ReaderModule):
        return Ballot([Lines(model) for model in models], weights).eval()
    if isinstance(first, MLPModule | BoostingModule):
        every = tables.union([model.encoding for model in models])
        if isinstance(first, MLPModule):
            return Average([tables.Perceived(model, every) for model in models], weights).eval()
        rows = [tables.Rows(model, every) for model in models]
        return tables.Grove(rows, weights, [model.forest for model in models]).eval()
    if isinstance(first, ImageModule):
        return Average([Pictures(model) for model in models], weights).eval()
    if isinstance(first, NgramModule):
        return Average([Grams(model) for model in models], weights).eval()
    if hasattr(first, "tokenizer"):
        return Average([Tokens(model) for model in models], weights).eval()
    raise Usage(f"kit export: {type(first).__name__} has no graph.")
