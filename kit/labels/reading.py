"""Labels that are read: a string drawn in the picture, whose text the training file has, computed into numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from kit.config import Config
from kit.errors import BadData
from kit.labels import ctc, missing as missing_answers
from kit.labels.base import Labels
from kit.labels.evaluation import Confidence, Followed, Transcripts
from kit.labels.numbers import Numbers
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd
    import torch

Compute = Callable[[str], "Sequence[float] | None"]
SURE = 0.5  # a text with more than half of the probability has no rival; any other is searched for


@dataclass(frozen=True)
class Reading(Numbers):
    """The text of `column`, in characters of `alphabet` (spaces are not read), at most `longest` of them.

    `compute`: functions from a text to its numbers, or None where it is no such text (which is the grammar); one for each
    convention that the organisers may have followed. A module takes the one that its training rows agree with.
    A prediction is the numbers, the confidence (0: nothing could be read), and the characters by their place in the
    alphabet, 0 after the end. Functions are not saved (a checkpoint holds no code): they come from the adapter.
    """

    column: str = ""
    alphabet: str = ""
    longest: int = 0
    compute: tuple[Compute, ...] = ()
    kind: ClassVar[str] = "reading"
    reads: ClassVar[bool] = True
    continuous: ClassVar[bool] = False  # characters are learned, which have no scale

    @classmethod
    def constructors(cls) -> dict[str, str]:
        return {}  # Numbers states the same answers

    @property
    def train_columns(self) -> tuple[str, ...]:
        return (*self.names, self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.names, "confidence", *(f"character {i + 1}" for i in range(self.longest)))

    @property
    def outputs(self) -> int:
        return len(self.alphabet) + 1

    def chosen(self, config: Config) -> Self:
        return self  # the loss of a reader has no knobs

    @property
    def partial(self) -> bool:
        return False

    def missing(self, train: pd.DataFrame) -> np.ndarray:
        return np.concatenate([super().missing(train), missing_answers.blank(train[[self.column]])], axis=1)

    def encode(self, train: pd.DataFrame) -> np.ndarray:
        """The numbers, and the characters' codes: float32 [n, names + longest]."""
        texts = ["".join(text.split()) for text in train[self.column]]
        codes = np.zeros((len(texts), self.longest), np.float32)
        for i, text in enumerate(texts):
            strange = sorted(set(text) - set(self.alphabet))
            if strange or len(text) > self.longest:
                what = f"has the unknown character {strange[0]!r}" if strange else f"is longer than {self.longest} characters"
                raise BadData(
                    f"training row {train.index[i]!r}, column {self.column!r}: {train[self.column].iloc[i]!r} {what}"
                    f" (known: {self.alphabet})."
                )
            codes[i, : len(text)] = [self.alphabet.index(character) + 1 for character in text]
        return np.concatenate([super().encode(train), codes], axis=1)

    def certain(self, y: np.ndarray) -> np.ndarray:
        return np.insert(y, len(self.names), 1, axis=1).astype(np.float32)

    def as_answers(self, predictions: np.ndarray) -> np.ndarray:
        return np.delete(predictions, len(self.names), axis=1)

    def certainty(self, predictions: np.ndarray) -> np.ndarray:
        return predictions[:, len(self.names)]

    def prior(self, y: np.ndarray) -> np.ndarray:
        """The medians of the numbers, and nothing read."""
        known = np.zeros(len(self.columns), np.float32)
        known[: len(self.names)] = np.median(y[:, : len(self.names)], axis=0)
        return known

    def harden(self, predictions: np.ndarray) -> np.ndarray:
        return super().harden(predictions[:, : len(self.names)])

    def scaling(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return Labels.scaling(self, y)

    def standard_loss(self, logits: torch.Tensor, y: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """The CTC loss of logits [n, t, outputs]."""
        return ctc.loss(logits.float().log_softmax(dim=-1), y[:, -self.longest :].long())

    def right_logits(self, y: np.ndarray) -> np.ndarray:
        """Each character at every other step, blanks between: [n, 2 longest, outputs]."""
        steps = np.zeros((len(y), 2 * self.longest), np.int64)
        steps[:, ::2] = y[:, -self.longest :]
        return np.eye(self.outputs, dtype=np.float32)[steps] * 8

    def activation(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [n, t, outputs]; `read` makes predictions of them."""
        return logits.float().log_softmax(dim=-1)

    def tracked(self) -> Followed:
        return {}

    def agreement(self, y: np.ndarray) -> np.ndarray:
        """For each convention, which rows' texts give their numbers: bool [conventions, n]."""
        rows = list(zip(self.texts(y[:, -self.longest :]), y[:, : len(self.names)].tolist(), strict=True))
        return np.array([[self.numbers(text, i) == known for text, known in rows] for i in range(len(self.compute))])

    def texts(self, codes: np.ndarray) -> list[str]:
        """Codes [n, longest] as texts."""
        letters = np.array(["", *self.alphabet])
        return ["".join(row) for row in letters[codes.astype(int)]]

    def numbers(self, text: str, convention: int) -> list[float] | None:
        """What a text says; None where it is none of the grammar, or its numbers lie outside the declared range."""
        values = self.compute[convention](text)
        if values is None or (self.low and not ((np.array(self.low) <= values) & (values <= np.array(self.high))).all()):
            return None
        return [float(value) for value in values]

    def read(self, log_probabilities: torch.Tensor, unread: np.ndarray, convention: int) -> np.ndarray:
        """Predictions [n, columns] from log-probabilities [n, t, outputs]; `unread`: the numbers where nothing can be read.

        The most probable symbol at each step, taken together, is the text almost always. Only where it has less than half
        of the probability, or is no text of the grammar, are others searched for, and the best one of the grammar taken.
        """
        codes = ctc.greedy(log_probabilities.argmax(dim=-1).cpu().numpy(), self.longest)
        sure = ctc.probability(log_probabilities.cpu(), codes).numpy()
        predictions = np.zeros((len(codes), len(self.columns)), np.float32)
        for i, text in enumerate(self.texts(codes)):
            numbers = self.numbers(text, convention)
            if numbers is None or sure[i] <= SURE:
                numbers, codes[i], sure[i] = self._searched(log_probabilities[i].cpu().numpy(), convention)
            predictions[i] = [*(unread if numbers is None else numbers), sure[i], *codes[i]]
        return predictions

    def _searched(self, log_probabilities: np.ndarray, convention: int) -> tuple[list[float] | None, np.ndarray, float]:
        """The numbers, codes and probability of the best text of the grammar; None and nothing where there is none."""
        codes = np.zeros(self.longest, np.int64)
        for text, score in ctc.search(log_probabilities):
            if len(text) > self.longest or score < ctc.LEAST:
                continue
            numbers = self.numbers("".join(self.alphabet[k - 1] for k in text), convention)
            if numbers is not None:
                codes[: len(text)] = text
                return numbers, codes, float(np.exp(score))
        return None, codes, 0.0

    def average(self, parts: list[pd.DataFrame], weights: list[float] | None = None) -> pd.DataFrame:
        """A vote: each part gives its confidence to its numbers; the mean confidence of those that won is the answer's.

        Log-probabilities are not averaged step by step, as CTC nets place the same character at different steps.
        """
        result = parts[0].copy()
        result[:] = vote(frames.stacked(parts), np.array(weights or [1.0] * len(parts)), len(self.names)).astype(np.float32)
        return result

    def spell(self, predictions: np.ndarray) -> list[str]:
        """The text that was read, and its numbers."""
        texts = self.texts(predictions[:, -self.longest :])
        return [f"{text or 'unreadable'}: {said}" for text, said in zip(texts, super().spell(predictions), strict=True)]

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """The largest error of each row's numbers in standard deviations, and the confidence that its text lacks."""
        return super().errors(y, predictions) + (1 - predictions[:, len(self.names)].astype(np.float64))

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> Confidence:
        correct = (predictions[:, -self.longest :] == y[:, -self.longest :]).all(axis=1)
        return Confidence("the text that was read", predictions[:, len(self.names)], correct)

    def transcripts(self, predictions: np.ndarray) -> Transcripts:
        numbers = self.decode(predictions, list(self.names))
        return Transcripts(self.texts(predictions[:, -self.longest :]), predictions[:, len(self.names)], numbers)

    def fabricate(self, n: int, rng: np.random.Generator) -> dict[str, list[str]]:
        raise BadData(f"{self.column}: texts that give these numbers are not invented here; see Competition.invent.")

    def describe(self) -> str:
        return f"a text, read, and {super().describe()} of it"


def vote(every: np.ndarray, weight: np.ndarray, numbers: int) -> np.ndarray:
    """The winners [n, columns] among predictions [parts, n, columns], equal where the first `numbers` columns are equal."""
    confidence = every[:, :, numbers] * (weight / weight.sum())[:, None]
    agree = (every[:, None, :, :numbers] == every[None, :, :, :numbers]).all(axis=-1)
    total = (agree * confidence[None]).sum(axis=1)  # [parts, n]
    # Of equals the one that is surest itself, so that its text is shown.
    best = np.lexsort((-confidence, -total.round(12)), axis=0)[0]
    winners = np.take_along_axis(every, best[None, :, None], axis=0)[0]
    winners[:, numbers] = np.take_along_axis(total, best[None], axis=0)[0]
    return winners
