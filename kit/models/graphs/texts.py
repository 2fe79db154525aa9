"""Texts: the graphs of models of texts, by a transformer's tokens or by n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from kit.data.text_embeddings import Vectors, unit_vectors
from kit.errors import Usage
from kit.inputs.text import Texts
from kit.models.graphs.base import Member, network
from kit.models.texts.likeness import SHARE
from kit.models.texts.ngram_design import SPREAD

if TYPE_CHECKING:
    from kit.data import tokenization


class Tokens(Member):
    """ids int64 [rows, tokens] and mask int64 [rows, tokens] to predictions [rows, answers]."""

    takes = "tokens"
    one_view = True
    names = ("ids", "mask")
    shapes = (("rows", "tokens"), ("rows", "tokens"))

    def __init__(self, module: Any):
        super().__init__(module)
        self.net = network(module)
        self.tokenizer, self.most = module.tokenizer, module.most

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.answers(self.net(input_ids=ids, attention_mask=mask.bool()).logits)

    def inputs(self, x: Any, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        ids, mask = tokens_of(x, self.tokenizer).batch(rows, self.most)
        return torch.from_numpy(ids), torch.from_numpy(mask).long()


class GramVectors(nn.Module):
    """Vectors of texts, as `kit.data.text_embeddings.Vectors` finds them: those of a run, which all its models share."""

    column: torch.Tensor
    value: torch.Tensor
    drawn: torch.Tensor

    def __init__(self, vectors: Vectors):
        super().__init__()
        values = torch.from_numpy(vectors.values.astype(np.float32))
        self.register_buffer("column", torch.from_numpy(vectors.columns).long())
        self.register_buffer("value", torch.cat([values, values.new_zeros(1, values.shape[1])]))
        self.register_buffer("drawn", values[torch.from_numpy(vectors.drawn).long()])

    @classmethod
    def of(cls, vectors: Vectors | None) -> GramVectors | None:
        """None where a run has none."""
        return None if vectors is None else cls(vectors)

    def forward(self, columns: torch.Tensor, row: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """float32 [rows, d] of texts whose n-grams are `columns` [grams], each in `row` [grams]; `like`: any [rows]."""
        known, size = len(self.column), self.value.shape[1]
        total = torch.zeros(like.shape[0], size, device=like.device)
        if not known:
            return total
        place = places(self.column, columns)
        found = self.value[place]
        total = total.scatter_add(0, row[:, None].expand_as(found), found)
        count = torch.zeros(like.shape[0], device=like.device).scatter_add(0, row, (place < known).float())
        return unit_vectors(total / count.clamp(min=1)[:, None], self.drawn)


class Grams(Member):
    """columns int64 [grams], the distinct n-grams of all rows one after another (`kit.data.ngrams.bags`), and offsets int64
    [rows], where each row begins, to predictions [rows, answers].
    """

    takes = "grams"
    names = ("columns", "offsets")
    shapes = (("grams",), ("rows",))
    column: torch.Tensor
    weight: torch.Tensor
    direction: torch.Tensor
    bias: torch.Tensor
    length: torch.Tensor

    def __init__(self, module: Any, vectors: GramVectors | None = None):
        super().__init__(module)
        self.order, self.characters = module.config.ngrams, module.config.characters
        self.vectors = vectors if module.hparams["size"] else None
        refuse_without_graph(bool(module.hparams.get("statistics")), bool(module.hparams["size"] and self.characters))
        self.register_buffer("column", module.column.long())
        self.register_buffer("weight", torch.cat([module.weight.detach(), module.weight.new_zeros(1, module.weight.shape[1])]))
        self.register_buffer("direction", module.direction.detach().clone())
        self.register_buffer("bias", module.bias.detach().clone())
        self.register_buffer("length", module.length.clone())
        self.likeness = module.likeness

    def forward(self, columns: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        return self.answers(self.read(columns, offsets)[0])

    def read(self, columns: torch.Tensor, offsets: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Logits float32 [rows, answers], as the targets are scaled, and the texts' vectors [rows, d] where there are any."""
        found = self.weight[places(self.column, columns)]
        begins = torch.zeros(columns.shape[0] + 1, dtype=torch.long, device=columns.device)
        begins = begins.scatter_add(0, offsets, torch.ones_like(offsets))
        row = begins.cumsum(0)[:-1] - 1
        rows = offsets.shape[0]
        total = torch.zeros(rows, found.shape[1], device=found.device).scatter_add(0, row[:, None].expand_as(found), found)
        lengths = torch.zeros(rows, device=found.device).scatter_add(0, row, torch.ones_like(row, dtype=torch.float32))
        logits = total * (self.length / lengths.clamp(min=1)).sqrt()[:, None] + self.bias
        if self.vectors is None:
            return logits, []
        points = self.vectors(columns, row, offsets)
        logits = logits + points * SPREAD @ self.direction
        if self.likeness is not None:
            logits = torch.lerp(logits, self.likeness.all_at_once(points), SHARE)
        return logits, [points]

    def inputs(self, x: Any, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        bags = Texts(x[rows]).bags(self.order, self.characters)
        return torch.from_numpy(bags.columns.astype(np.int64)), torch.from_numpy(bags.start[:-1].astype(np.int64))


def places(known: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Where each of some columns stands among the known ones (int64, rising); the count of these for one that is none.

    By bisection, written out: neither ONNX nor TorchScript has a search.
    """
    count = len(known)
    place = torch.zeros_like(columns)  # how many known columns are below
    if not count:
        return place
    for bit in reversed(range(count.bit_length())):
        ahead = place + (1 << bit)
        below = (ahead <= count) & (known[(ahead - 1).clamp(max=count - 1)] < columns)
        place = torch.where(below, ahead, place)
    hit = (place < count) & (known[place.clamp(max=count - 1)] == columns)
    return torch.where(hit, place, count)


def refuse_without_graph(statistics: bool, both: bool) -> None:
    """Raise Usage for a run with statistics of style, which n-grams do not tell, and for one with vectors beside n-grams of
    characters, which stand between those of words that the vectors are of."""
    named = [("statistics of style", "--statistics 0")] if statistics else []
    named += [("vectors beside n-grams of characters", "--characters 0")] if both else []
    if named:
        what, flags = (" and ".join(one) for one in zip(*named, strict=True))
        raise Usage(f"kit export: {what} have no graph. Export a run with {flags}.")


def tokens_of(texts: Texts, tokenizer: tokenization.Tokenizer) -> tokenization.Tokens:
    """The tokens of all texts, found once and kept beside them: those of one tokenizer at a time."""
    known, found = texts.memo.get("tokens", (None, None))
    if known != tokenizer:
        texts.memo.pop("tokens", None)  # two at a time need twice the memory
        found = tokenizer.tokens(texts)
        texts.memo["tokens"] = (tokenizer, found)
    return found
