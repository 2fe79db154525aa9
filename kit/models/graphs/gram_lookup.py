"""Lookup of n-grams: where those of texts stand among the ones that the models of a run know, and the texts' vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from kit.data.text_embeddings import Vectors, unit_vectors


class PlacedGrams(NamedTuple):
    """The n-grams of texts as all members of a run find them, and the texts' vectors.

    `place`: int64 [grams], which column of the lookup each is, or the count of these for none of them; `row`: int64
    [grams], the text that holds it; `lengths`: float32 [rows], n-grams of each text, at least 1; `points`: float32 [rows, d],
    d 0 where a run has no vectors.
    """

    place: torch.Tensor
    row: torch.Tensor
    lengths: torch.Tensor
    points: torch.Tensor


class Lookup(nn.Module):
    """columns int64 [grams] and offsets int64 [rows] to `PlacedGrams`.

    One for all members of a run, of every column that one of them knows or that has a vector, so that the graph searches once:
    with a search for each member it has four times the nodes, and ONNX's exporter takes nearly three times as long.
    """

    column: torch.Tensor

    def __init__(self, known: Sequence[torch.Tensor], vectors: Vectors | None):
        super().__init__()
        embedded = [] if vectors is None else [torch.from_numpy(vectors.columns)]
        self.register_buffer("column", torch.cat([*known, *embedded]).long().unique())
        self.vectors = None if vectors is None else GramVectors(vectors, self)

    def aligned(self, columns: torch.Tensor, values: torch.Tensor, absent: int = 0) -> torch.Tensor:
        """`values` [v, …] of some columns [v] in the order of the lookup's own; `absent` for its others, and for none."""
        table = values.new_full((len(self.column) + 1, *values.shape[1:]), absent)
        table[torch.searchsorted(self.column, columns.long())] = values
        return table

    def forward(self, columns: torch.Tensor, offsets: torch.Tensor) -> PlacedGrams:
        begins = torch.zeros(columns.shape[0] + 1, dtype=torch.long, device=columns.device)
        begins = begins.scatter_add(0, offsets, torch.ones_like(offsets))
        row = begins.cumsum(0)[:-1] - 1
        place, rows = places(self.column, columns), offsets.shape[0]
        lengths = totals(torch.ones_like(columns, dtype=torch.float32)[:, None], row, rows)[:, 0].clamp(min=1)
        points = torch.zeros(rows, 0, device=columns.device) if self.vectors is None else self.vectors(place, row, rows)
        return PlacedGrams(place, row, lengths, points)


class GramVectors(nn.Module):
    """Vectors of texts, as `kit.data.text_embeddings.Vectors` finds them. `index`: int32, which row of `value` a column of the
    lookup has; the last row is of those without a vector.
    """

    index: torch.Tensor
    value: torch.Tensor
    drawn: torch.Tensor

    def __init__(self, vectors: Vectors, lookup: Lookup):
        super().__init__()
        values, count = torch.from_numpy(vectors.values.astype(np.float32)), len(vectors.columns)
        index = lookup.aligned(torch.from_numpy(vectors.columns), torch.arange(count, dtype=torch.int32), absent=count)
        self.register_buffer("index", index)
        self.register_buffer("value", torch.cat([values, values.new_zeros(1, values.shape[1])]))
        self.register_buffer("drawn", values[torch.from_numpy(vectors.drawn).long()])

    def forward(self, place: torch.Tensor, row: torch.Tensor, rows: int) -> torch.Tensor:
        """float32 [rows, d] of texts whose n-grams have a `place` [grams] in the lookup, each in `row` [grams]."""
        known, size = len(self.value) - 1, self.value.shape[1]
        if not known:
            return torch.zeros(rows, size, device=row.device)
        index = self.index.index_select(0, place).long()
        total = totals(self.value.index_select(0, index), row, rows)
        count = totals((index < known).float()[:, None], row, rows)
        return unit_vectors(total / count.clamp(min=1), self.drawn)


def totals(values: torch.Tensor, row: torch.Tensor, rows: int) -> torch.Tensor:
    """The sums [rows, c] over the n-grams of each text of `values` [grams, c]; `row` [grams]: the text that holds each."""
    return values.new_zeros(rows, values.shape[1]).scatter_add(0, row[:, None].expand_as(values), values)


def places(known: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Where each of some columns stands among the known ones (int64, rising); the count of these for one that is none.

    By bisection, written out: neither ONNX nor TorchScript has a search. Four operations a step.
    """
    count = left = len(known)
    place = torch.zeros_like(columns)  # of the last known column that is not above, which is among the `left` from here on
    if not count:
        return place
    while left > 1:
        ahead = place + left // 2
        place = torch.where(known.index_select(0, ahead) <= columns, ahead, place)
        left -= left // 2
    return torch.where(known.index_select(0, place) == columns, place, count)
