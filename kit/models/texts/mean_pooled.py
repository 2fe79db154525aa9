"""MeanPooled: a pretrained encoder of texts under one linear layer on the mean of its tokens, for probes.

The heads of Hugging Face's classifiers hold layers that were not pretrained, or read a first token that was trained for
something else; the mean over the tokens is what sentence encoders are made for (Reimers & Gurevych 2019).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from kit.errors import Usage


class MeanPooled(nn.Module):
    """Token numbers and mask [b, t] to `logits` [b, outputs]. The encoder's tensors are named as in its classifier."""

    def __init__(self, classifier: Any, outputs: int):
        super().__init__()
        self.name = str(classifier.base_model_prefix)
        facts = classifier.config
        if facts.is_encoder_decoder:
            raise Usage(f"--strategy probe: {facts.model_type} writes texts; a model that only reads them is wanted.")
        setattr(self, self.name, getattr(classifier, self.name))
        self.head = nn.Linear(facts.hidden_size, outputs)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        encoder = getattr(self, self.name)
        tokens = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        weight = attention_mask[..., None].to(tokens.dtype)
        return SimpleNamespace(logits=self.head((tokens * weight).sum(dim=1) / weight.sum(dim=1)))

    def own_layers(self) -> list[list[str]]:
        """The names of the encoder's parameters and of the head's."""
        names = [name for name, _ in self.named_parameters()]
        head = [name for name in names if name.startswith("head.")]
        return [[name for name in names if name not in head], head]
