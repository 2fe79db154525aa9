"""Tokens: texts as the numbers that a pretrained transformer reads, and what it reads of a long text.

Loads transformers and tokenizers, an extra that takes seconds to import: only what fine-tunes such a model imports this file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from tokenizers import Tokenizer as Fast
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import logging

from kit.errors import BadData, Unreachable, Usage
from kit.storage.weights import HUB, find, places

ATTACH = "Attach a dataset with the model (tokenizer and safetensors) and name its folder: --weights DIR."
VIEWS = ("head and tail", "head", "tail")  # what is read of a text that is too long: the first trains, all may predict
WHOLE = 1 << 20  # tokenizers without a limit say 10³⁰


@dataclass(frozen=True)
class Tokenizer:
    """A fast tokenizer as plain values: `rules` (its JSON), the numbers that come before and after a text, the number
    that fills up a batch, and how many tokens its model reads."""

    rules: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    most: int

    def json(self) -> dict[str, Any]:
        """Plain values, as `from_json` takes them."""
        return {**asdict(self), "before": list(self.before), "after": list(self.after)}

    def tokens(self, texts: Iterable[str]) -> Tokens:
        """The tokens of all texts."""
        fast = Fast.from_str(self.rules)
        fast.no_truncation()
        fast.no_padding()
        clean = [text.replace("<br />", " ").encode("utf-8", "replace").decode() for text in texts]
        found = [np.array(one.ids, np.int32) for one in fast.encode_batch(clean, add_special_tokens=False)]
        start = np.r_[0, np.cumsum([len(one) for one in found], dtype=np.int64)]
        return Tokens(self, start, np.concatenate(found) if found else np.zeros(0, np.int32))


def from_json(saved: dict[str, Any]) -> Tokenizer:
    """Undoes `Tokenizer.json`."""
    return Tokenizer(**{**saved, "before": tuple(saved["before"]), "after": tuple(saved["after"])})


@dataclass(frozen=True)
class Tokens:
    """Text i holds the tokens `ids[start[i]:start[i + 1]]` (int32), the tokenizer's own marks left out."""

    tokenizer: Tokenizer
    start: np.ndarray
    ids: np.ndarray

    def lengths(self, most: int) -> np.ndarray:
        """How many tokens of each text are read where `most` are, marks included."""
        marks = len(self.tokenizer.before) + len(self.tokenizer.after)
        return np.maximum(np.minimum(np.diff(self.start) + marks, most), 1)

    def batch(self, rows: np.ndarray, most: int, view: str = VIEWS[0]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (int64) and mask (bool) [rows, longest], each text between its marks and filled up behind.

        Of a text of more than `most` tokens the view tells what is read: its head, its tail, or half of each (Sun et al.
        2019 find head and tail best for film reviews).
        """
        before, after, room = self._room(most)
        have = self.start[rows + 1] - self.start[rows]
        kept = np.minimum(have, room)
        head = {"head": kept, "tail": np.zeros_like(kept), VIEWS[0]: (kept + 1) // 2}[view][:, None]
        column = np.arange(kept.max(initial=0))
        place = np.where(column < head, column, column + (have - kept)[:, None]) + self.start[rows][:, None]
        full = np.full((len(rows), max(1, len(before) + len(column) + len(after))), self.tokenizer.pad, np.int64)
        full[:, : len(before)] = before
        inside = column < kept[:, None]
        full[:, len(before) : len(before) + len(column)][inside] = self.ids[place[inside]]
        for k, mark in enumerate(after):
            full[np.arange(len(rows)), len(before) + kept + k] = mark
        length = np.maximum(len(before) + kept + len(after), 1)
        return full, np.arange(full.shape[1]) < length[:, None]

    def long(self, rows: np.ndarray, most: int) -> np.ndarray:
        """Which of these rows are too long to be read whole."""
        return np.diff(self.start)[rows] > self._room(most)[2]

    def _room(self, most: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        t = self.tokenizer
        return t.before, t.after, most - len(t.before) - len(t.after)


@lru_cache(maxsize=2)
def load(model: str, weights: str) -> tuple[Tokenizer, str]:
    """The tokenizer and the architecture (JSON) of a Hugging Face model: from the folder `weights`, or from the hub.

    Raises Usage where there is no such folder, BadData for a folder without them, Unreachable
    for a hub that cannot be reached.
    """
    if model in ("convnet", "whitened"):
        raise Usage(f"--model {model}: {model} reads pictures; texts take ngrams or a model of Hugging Face.")
    place = location(model, weights)
    quiet()
    try:
        architecture = AutoConfig.from_pretrained(place, trust_remote_code=False)
        slow_or_fast = AutoTokenizer.from_pretrained(place, use_fast=True, trust_remote_code=False)
    except Exception as fault:  # whatever hub clients, JSON readers and tokenizers raise
        raise refusal(model, weights, "a model and tokenizer", fault) from fault
    if not getattr(slow_or_fast, "is_fast", False):
        raise Usage(f"--model {model}: has no fast tokenizer (tokenizer.json). Save one with transformers first.")
    known = json.loads(architecture.to_json_string(use_diff=False))
    words = slow_or_fast.backend_tokenizer.get_vocab_size()
    if 2 * words < (known.get("vocab_size") or 0):  # transformers makes an empty one where there are no files
        raise BadData(f"--weights {place}: a tokenizer of {words} words for a model of {known['vocab_size']}. {ATTACH}")
    return _facts(slow_or_fast, known), json.dumps(known)


def _facts(tokenizer: Any, architecture: dict[str, Any]) -> Tokenizer:
    """Plain values of a tokenizer of transformers. A made-up word between the marks tells them apart."""
    fast = tokenizer.backend_tokenizer
    fast.no_truncation()
    fast.no_padding()  # sentence-transformers save theirs with 128 tokens for every text: no marks, though special too
    marked = fast.encode("a", add_special_tokens=True)
    own = [i for i, mark in enumerate(marked.special_tokens_mask) if not mark]
    first, last = (own[0], own[-1] + 1) if own else (len(marked.ids), len(marked.ids))
    positions = architecture.get("max_position_embeddings") or WHOLE
    # Models of the RoBERTa family count positions from 2: two fewer are safe for all.
    most = tokenizer.model_max_length if tokenizer.model_max_length < WHOLE else positions - 2
    pad = next((one for one in (tokenizer.pad_token_id, architecture.get("pad_token_id"), tokenizer.eos_token_id)
                if isinstance(one, int)), 0)  # fmt: skip
    return Tokenizer(
        rules=fast.to_str(),
        before=tuple(marked.ids[:first]),
        after=tuple(marked.ids[last:]),
        pad=pad,
        most=int(min(most, positions)),
    )


def location(model: str, weights: str) -> str:
    """Where a model is loaded from: the folder that `weights` means, or the hub by its name. Raises Usage for no folder."""
    if weights in ("", HUB):
        return model
    folder = find(weights)
    if not places.is_model(folder):
        raise Usage(f"--weights {weights}: no folder with a model's config.json. {ATTACH}")
    return str(folder)


def refusal(model: str, weights: str, what: str, fault: Exception) -> Unreachable | BadData:
    """The error for a model that cannot be loaded, with the first line of the reason."""
    reason = (str(fault).strip() or type(fault).__name__).splitlines()[0].partition(". ")[0][:160]
    if weights in ("", HUB):
        return Unreachable(f"--model {model}: no {what} of this name from the hub ({reason}).\n{ATTACH}")
    return BadData(f"--weights {weights}: {what} cannot be read from it safely ({reason}).")


def quiet() -> None:
    """Without transformers' progress bars and advice."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
