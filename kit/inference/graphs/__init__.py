"""Graphs: the models of a run as one network of plain tensors: raw inputs in, predictions out, folds averaged inside."""

from __future__ import annotations

from typing import Any

from kit.errors import Usage
from kit.inference.graphs import tables
from kit.inference.graphs.base import Average, Graph
from kit.inference.graphs.images import Pictures
from kit.inference.graphs.readers import Ballot, Lines
from kit.inference.graphs.texts import Grams, Tokens
from kit.models.boosting_module import BoostingModule
from kit.models.image_module import ImageModule
from kit.models.mlp_module import MLPModule
from kit.models.ngram_module import BagsModule
from kit.models.reader_module import ReaderModule

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
    if isinstance(first, BagsModule):
        return Average([Grams(model) for model in models], weights).eval()
    if hasattr(first, "tokenizer"):
        return Average([Tokens(model) for model in models], weights).eval()
    raise Usage(f"kit export: {type(first).__name__} has no graph.")
