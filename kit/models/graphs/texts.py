"""Texts: the graphs of models of texts, by a transformer's tokens or by n-grams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kit.errors import Usage
from kit.inputs.text import Texts
from kit.models.graphs.base import Member, network

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


class Grams(Member):
    """columns int64 [grams], the distinct n-grams of all rows one after another (`kit.data.ngrams.bags`), and offsets int64
    [rows], where each row begins, to predictions [rows, answers].

    A column is found among the known ones by bisection, written out: neither ONNX nor TorchScript has a search.
    """

    takes = "grams"
    names = ("columns", "offsets")
    shapes = (("grams",), ("rows",))
    column: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    length: torch.Tensor

    def __init__(self, module: Any):
        super().__init__(module)
        if module.hparams["size"]:
            raise Usage(
                "kit export: n-grams beside vectors (--vectors) or statistics (--statistics) have no graph. "
                "Export a run with --vectors 0 --statistics 0."
            )
        self.order, self.characters = module.config.ngrams, module.config.characters
        self.register_buffer("column", module.column.long())
        self.known = len(module.column)
        self.register_buffer("weight", torch.cat([module.weight.detach(), module.weight.new_zeros(1, module.weight.shape[1])]))
        self.register_buffer("bias", module.bias.detach().clone())
        self.register_buffer("length", module.length.clone())

    def forward(self, columns: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
        known = self.known
        place = torch.zeros_like(columns)  # how many known columns are below
        for bit in reversed(range(known.bit_length())):
            ahead = place + (1 << bit)
            below = (ahead <= known) & (self.column[(ahead - 1).clamp(max=known - 1)] < columns)
            place = torch.where(below, ahead, place)
        hit = (place < known) & (self.column[place.clamp(max=known - 1)] == columns)
        found = self.weight[torch.where(hit, place, known)]
        begins = torch.zeros(columns.shape[0] + 1, dtype=torch.long, device=columns.device)
        begins = begins.scatter_add(0, offsets, torch.ones_like(offsets))
        row = begins.cumsum(0)[:-1] - 1
        rows = offsets.shape[0]
        total = torch.zeros(rows, found.shape[1], device=found.device).scatter_add(0, row[:, None].expand_as(found), found)
        lengths = torch.zeros(rows, device=found.device).scatter_add(0, row, torch.ones_like(row, dtype=torch.float32))
        return self.answers(total * (self.length / lengths.clamp(min=1)).sqrt()[:, None] + self.bias)

    def inputs(self, x: Any, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        bags = Texts(x[rows]).bags(self.order, self.characters)
        return torch.from_numpy(bags.columns.astype(np.int64)), torch.from_numpy(bags.start[:-1].astype(np.int64))


def tokens_of(texts: Texts, tokenizer: tokenization.Tokenizer) -> tokenization.Tokens:
    """The tokens of all texts, found once and kept beside them: those of one tokenizer at a time."""
    known, found = texts.memo.get("tokens", (None, None))
    if known != tokenizer:
        texts.memo.pop("tokens", None)  # two at a time need twice the memory
        found = tokenizer.tokens(texts)
        texts.memo["tokens"] = (tokenizer, found)
    return found
