"""Readers: the graph of models that read a text in a picture."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad

from kit.models.graphs.base import Graph
from kit.models.graphs.images import Pictures

NEVER = -1e4  # a logarithm of nothing that may be reckoned with


class Lines(Pictures):
    """uint8 [rows, height, width, channels] to log-probabilities [views, rows, steps, symbols]."""

    takes = "lines"

    def __init__(self, module: Any):
        super().__init__(module)
        self.register_buffer("convention", module.convention.clone())
        self.register_buffer("unread", module.unread.clone())

    def forward(self, images: torch.Tensor, *beside: torch.Tensor) -> torch.Tensor:
        return self.labels.activation(torch.stack(self.seen(images, *beside)))


class Ballot(Graph):
    """Log-probabilities float32 [folds × views, rows, steps, symbols], symbol 0 being the blank; the text that wins the vote,
    as codes int64 [rows, longest], 0 after the end; and the vote's confidence float32 [rows].

    Views vote in each fold, then folds, as in `kit.labels.reading.vote`; but for texts, not for the numbers that they say: a
    grammar is no tensor. Log-probabilities are not averaged step by step, as folds place a character at different steps.
    """

    outputs = ("log_probabilities", "codes", "confidence")
    row_axis = (1, 0, 0)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        every = [member(*inputs) for member in self.members]
        most = max(one.shape[2] for one in every)
        seen = torch.stack([_longer(one, most) for one in every])  # [folds, views, rows, steps, symbols]
        flat = seen.flatten(0, 2)
        codes = greedy(flat.argmax(dim=-1), self.first.labels.longest)
        sure = probability(flat, codes).reshape(seen.shape[:3]).transpose(0, 1)
        codes = codes.reshape(*seen.shape[:3], -1).transpose(0, 1)
        alike = torch.full((codes.shape[0],), 1 / codes.shape[0])
        return seen.flatten(0, 1), *vote(*vote(codes, sure, alike), self.shares)


def _longer(seen: torch.Tensor, steps: int) -> torch.Tensor:
    """With sure blanks at the end, which change no text and no probability: folds may cut out boxes of other widths."""
    blanks = torch.full((*seen.shape[:2], steps - seen.shape[2], seen.shape[3]), NEVER)
    blanks[..., 0] = 0.0
    return torch.cat([seen, blanks], dim=2)


def greedy(steps: torch.Tensor, longest: int) -> torch.Tensor:
    """As `kit.labels.ctc.greedy`: symbols int64 [n, t] to codes int64 [n, longest]."""
    kept = (steps != 0) & (steps != pad(steps[:, :-1], (1, 0)))
    place = torch.where(kept, kept.long().cumsum(dim=1) - 1, longest).clamp(max=longest)  # what is left out goes to the end
    return torch.zeros(steps.shape[0], longest + 1, dtype=torch.int64).scatter(1, place, steps)[:, :longest]


def probability(seen: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """As `kit.labels.ctc.probability`: [n] of codes [n, longest] by log-probabilities [n, t, symbols].

    Written out (Graves et al. 2006, equations 6 to 8): neither ONNX nor TorchScript has a CTC loss.
    """
    states = pad(torch.stack([torch.zeros_like(codes), codes], dim=2).flatten(1), (0, 1))  # a blank around each character
    shown = seen.gather(2, states[:, None, :].expand(-1, seen.shape[1], -1))
    leaps = (states != 0) & (states != pad(states[:, :-2], (2, 0)))
    first = torch.arange(states.shape[1]) < 2
    total = torch.where(first, shown[:, 0], NEVER)
    for step in range(1, seen.shape[1]):
        before = pad(total[:, :-1], (1, 0), value=NEVER)
        leapt = torch.where(leaps, pad(total[:, :-2], (2, 0), value=NEVER), NEVER)
        total = torch.stack([total, before, leapt]).logsumexp(dim=0) + shown[:, step]
    end = 2 * (codes > 0).sum(dim=1, keepdim=True)
    ends = total.gather(1, torch.cat([end, (end - 1).clamp(min=0)], dim=1)).exp()
    return ends[:, 0] + torch.where(end[:, 0] > 0, ends[:, 1], 0.0)


def vote(codes: torch.Tensor, sure: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The winning codes [..., longest] of codes [voters, ..., longest] with confidences [voters, ...], and what it got."""
    share = sure * weights.view(-1, *[1] * (sure.dim() - 1))
    agree = (codes[:, None] == codes[None]).all(dim=-1)
    total = (agree * share[None]).sum(dim=1)
    best = total.argmax(dim=0, keepdim=True)
    won = codes.gather(0, best[..., None].expand(*best.shape, codes.shape[-1]))
    return won[0], total.gather(0, best)[0]
