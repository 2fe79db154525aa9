"""Texts: the graphs of models of texts, by a transformer's tokens or by n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from kit.data.text_embeddings import Vectors
from kit.errors import Usage
from kit.inputs.text import Texts
from kit.models.graphs.base import Member, network
from kit.models.graphs.gram_lookup import Lookup, PlacedGrams, totals
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


class Grams(Member):
    """columns int64 [grams], the distinct n-grams of all rows one after another (`kit.data.ngrams.bags`), and offsets int64
    [rows], where each row begins, to predictions [rows, answers].
    """

    takes = "grams"
    names = ("columns", "offsets")
    shapes = (("grams",), ("rows",))
    weight: torch.Tensor
    direction: torch.Tensor
    bias: torch.Tensor
    length: torch.Tensor

    def __init__(self, module: Any, lookup: Lookup):
        super().__init__(module)
        self.order, self.characters, self.lookup = module.config.ngrams, module.config.characters, lookup
        refuse_without_graph(bool(module.hparams.get("statistics")), bool(module.hparams["size"] and self.characters))
        self.register_buffer("weight", lookup.aligned(module.column, module.weight.detach()))
        self.register_buffer("direction", module.direction.detach().clone())
        self.register_buffer("bias", module.bias.detach().clone())
        self.register_buffer("length", module.length.clone())
        self.likeness = module.likeness

    @classmethod
    def of(cls, models: Sequence[Any], vectors: Vectors | None) -> list[Self]:
        """The members of a run, by its `NgramModule`s and its vectors of n-grams."""
        lookup = Lookup([model.column for model in models], vectors)
        return [cls(model, lookup) for model in models]

    def shared(self, *inputs: torch.Tensor) -> tuple[Any, ...]:
        return (self.lookup(*inputs),)

    def forward(self, grams: PlacedGrams) -> torch.Tensor:
        return self.answers(self.logits(grams))

    def logits(self, grams: PlacedGrams) -> torch.Tensor:
        """float32 [rows, answers], as the targets are scaled."""
        total = totals(self.weight.index_select(0, grams.place), grams.row, grams.lengths.shape[0])
        logits = total * (self.length / grams.lengths).sqrt()[:, None] + self.bias
        if len(self.direction):
            logits = logits + grams.points * SPREAD @ self.direction
        if self.likeness is not None:
            logits = torch.lerp(logits, self.likeness.all_at_once(grams.points), SHARE)
        return logits

    def inputs(self, x: Any, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        bags = Texts(x[rows]).bags(self.order, self.characters)
        return torch.from_numpy(bags.columns.astype(np.int64)), torch.from_numpy(bags.start[:-1].astype(np.int64))


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
