"""Vectors: n-grams and texts as points of a sphere, learned from texts alone, without an answer.

A text's vector predicts which n-grams it holds, by the cosines to theirs (document vectors: Le & Mikolov 2014; of n-grams:
Li et al. 2015; by cosines: Thongtan & Phienthrasert 2019), here against a softmax over drawn n-grams. N-grams that stand in
like texts come to lie together, so what an answer says of one says something of those its training rows hardly have.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch.nn.functional import embedding_bag, normalize

from kit.data.ngrams import BITS, Bags
from kit.errors import BadData
from kit.storage import files

RARE = 10  # n-grams of fewer texts have no vector
SHARP = 4.0  # what a cosine counts in the softmax: of 3 to 12 the best for film reviews
DRAWN = 1024  # n-grams that a batch's softmax is over
STEPS = 5  # towards a text's vector, the n-grams' held fast
EPOCHS = 5
RATE = 0.3  # of the n-grams' first steps (row-wise Adagrad), falling to 0
BATCH, BATCHES, SMALL = 2000, 50, 64  # texts of a batch; batches of an epoch at least, but for batches of so few texts
BLOCK = 1 << 12  # n-grams moved at a time: what a core's cache holds
TRIED, WORTH = 2, 0.5  # steps that tell the pace; epochs that there must be time for at it: less would be noise
FILE = "vectors.npz"
ANEW = "The same `kit run` with --rewrite makes it anew."


@dataclass(frozen=True)
class Vectors:
    """Unit vectors of n-grams: row i of `values` (float16 [v, d]) is that of column `columns[i]` (int32, rising).

    `order`: words of the longest n-grams. `drawn`: the rows (int32) that a text's softmax is over.
    """

    order: int
    columns: np.ndarray
    values: np.ndarray
    drawn: np.ndarray

    def of(self, bags: Bags) -> np.ndarray:
        """Unit vectors float32 [n, d] of texts, each by its own n-grams alone; zeros where none of these has a vector."""
        if not len(self.columns):
            return np.zeros((len(bags), self.values.shape[1]), np.float32)
        held = _matrix(bags, self.columns)
        values = torch.from_numpy(self.values.astype(np.float32))
        noise = values[torch.from_numpy(self.drawn).long()]
        found = np.zeros((len(bags), values.shape[1]), np.float32)
        for start in range(0, len(bags), BATCH):
            some = _Part(held[start : start + BATCH])
            found[start : start + BATCH] = unit_vectors(some.mean(values[some.own]), noise).numpy()
        return found

    @property
    def fingerprint(self) -> str:
        """Sixteen digits that tell these vectors from any others."""
        parts = (np.int64(self.order), self.columns, self.values, self.drawn)
        return sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        buffer = io.BytesIO()
        np.savez(buffer, order=self.order, columns=self.columns, values=self.values, drawn=self.drawn)
        files.write(path, buffer.getvalue())


def load(path: Path, fingerprint: str | None) -> Vectors:
    """Undoes `save`. Raises BadData where the file is missing or broken (a zip's members have checksums), or holds others.

    `fingerprint`: of the vectors that the run has learned from; None: not known.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            found = Vectors(int(kept["order"]), kept["columns"], kept["values"], kept["drawn"])
    except FileNotFoundError as fault:
        raise BadData(f"{path}: no such file. {ANEW}") from fault
    except Exception as fault:  # numpy and zipfile raise whatever broken bytes happen to mean
        raise BadData(f"{path}: cannot be read ({fault}).\n{ANEW}") from fault
    if fingerprint not in (None, found.fingerprint):
        raise BadData(f"{path}: these are not the vectors that the run has learned from. {ANEW}")
    return found


def learn(
    bags: Bags, order: int, size: int, seed: int, say: Callable[[str], None], until: float = math.inf, of: int = 0
) -> Vectors:
    """Vectors of `size` numbers for the n-grams of these texts.

    They are learned, and `Vectors.of` then finds those of so many texts, `until` a monotonic time. A function of the texts
    and the seed alone where there is time enough; without an n-gram where there is none.
    """
    columns = _frequent(bags)
    rng, draw = np.random.default_rng([seed, size]), torch.Generator().manual_seed(seed)
    values = normalize(torch.randn(len(columns), size, generator=draw))
    held = _matrix(bags, columns)
    drawn = rng.choice(held.indices, DRAWN).astype(np.int32) if len(columns) else np.zeros(0, np.int32)
    if len(columns):
        say(f"vectors of {len(columns):,} n-grams from {len(bags):,} texts")
        if not _fit(values, held, rng=rng, say=say, until=until, after=of / len(bags)):
            columns, values, drawn = columns[:0], values[:0], drawn[:0]
    return Vectors(order, columns, values.numpy().astype(np.float16), drawn)


def _fit(
    values: torch.Tensor, held: Any, rng: np.random.Generator, say: Callable[[str], None], until: float, after: float
) -> bool:
    """Move the vectors for EPOCHS; where their pace is too slow for that, the rate falls with the time that is left.

    Of this what `after` epochs take is kept: to find a text's vector takes as long as to learn from it. Was there time?
    """
    count = max(-(-held.shape[0] // BATCH), min(BATCHES, -(-held.shape[0] // SMALL)))
    rows = np.array_split(rng.permutation(held.shape[0]), count)
    parts: dict[int, _Part] = {}
    squares = torch.zeros(len(values))
    began, steps = time.monotonic(), 0
    for epoch in range(EPOCHS):
        for i in rng.permutation(count):
            spent, done = time.monotonic() - began, epoch / EPOCHS
            pace = spent / max(steps, 1) * count  # an epoch's seconds
            have = until - began - after * pace
            if pace * EPOCHS > have:
                done = max(done, spent / max(have, 1e-9))
            if (steps < TRIED and done >= 1) or (steps == TRIED and have < WORTH * pace):
                say("there is no time for vectors")
                return False
            if done >= 1:
                say(f"the time for vectors is up  epoch {epoch + 1}/{EPOCHS}")
                return True
            if i not in parts:
                parts[i] = _Part(held[np.sort(rows[i])])
            noise = torch.from_numpy(rng.choice(held.indices, DRAWN)).long()
            _step(values, squares, parts[i], noise, rate=RATE * (1 - done))
            steps += 1
        say(f"vectors  epoch {epoch + 1}/{EPOCHS}")
    return True


class _Part:
    """Some texts with the n-grams they hold: by text, and by n-gram."""

    def __init__(self, held: csr_matrix):
        there = np.zeros(held.shape[1], np.int32)
        there[held.indices] = 1
        own = np.flatnonzero(there)
        there[own] = np.arange(len(own), dtype=np.int32)
        place = there[held.indices]
        turned = type(held)((held.data, place, held.indptr), (held.shape[0], len(own))).T.tocsr()
        self.own = torch.from_numpy(own)
        self.place, self.start = torch.from_numpy(place), torch.from_numpy(held.indptr[:-1].copy())
        self.text, self.first = torch.from_numpy(turned.indices), torch.from_numpy(turned.indptr[:-1].copy())
        self.length = torch.from_numpy(np.diff(held.indptr).astype(np.float32))[:, None]

    def mean(self, own: torch.Tensor) -> torch.Tensor:
        """The mean [n, d] of the vectors of each text's n-grams, from these vectors [own, d]."""
        return embedding_bag(self.place, own, self.start, mode="mean")

    def sum(self, vectors: torch.Tensor) -> torch.Tensor:
        """The sum [own, d] of the vectors of the texts that hold each n-gram."""
        return embedding_bag(self.text, vectors, self.first, mode="sum")


def unit_vectors(mean: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The unit vectors [n, d] that make the n-grams of the given means [n, d] likely, among the drawn ones [m, d]; zeros for
    a mean of zeros."""
    found = normalize(mean)
    for _ in range(STEPS):
        found = normalize(found + SHARP * (mean - torch.softmax(SHARP * found @ noise.T, 1) @ noise))
    return torch.where(mean.any(dim=1, keepdim=True), found, 0.0)


def _step(values: torch.Tensor, squares: torch.Tensor, part: _Part, noise: torch.Tensor, rate: float) -> None:
    """Move the n-grams of some texts towards these, and the drawn ones away from texts they would wrongly be held likely in."""
    drawn, old = values[noise], values[part.own]
    texts = unit_vectors(part.mean(old), drawn)
    likely = torch.softmax(SHARP * texts @ drawn.T, 1)
    pull = part.sum(texts)
    place = torch.searchsorted(part.own, noise).clamp_(max=len(part.own) - 1)
    own = part.own[place] == noise  # the others are left for the batches that hold them
    pull.index_add_(0, place[own], -((likely * part.length).T @ texts)[own])
    seen = squares[part.own]
    for some in range(0, len(old), BLOCK):
        _move(old[some : some + BLOCK], pull[some : some + BLOCK], seen[some : some + BLOCK], rate)
    values[part.own], squares[part.own] = old, seen


def _move(old: torch.Tensor, pull: torch.Tensor, seen: torch.Tensor, rate: float) -> None:
    """Turn unit vectors [b, d] by the part of `pull` that is at right angles to them; its mean square is added to `seen`."""
    pull.addcmul_(old, torch.linalg.vecdot(old, pull)[:, None], value=-1)
    seen += pull.square().mean(1)
    old.addcmul_(pull, (rate / (seen + 1e-8).sqrt())[:, None])
    old.div_(torch.linalg.vector_norm(old, dim=1, keepdim=True))


def _frequent(bags: Bags) -> np.ndarray:
    """The columns (int32, rising) of at least RARE texts."""
    return np.flatnonzero(np.bincount(bags.columns, minlength=1 << BITS) >= RARE).astype(np.int32)


def _matrix(bags: Bags, columns: np.ndarray) -> Any:
    """Texts as a sparse matrix [n, columns] of ones, without the other n-grams."""
    place = np.full(1 << BITS, -1, np.int32)
    place[columns] = np.arange(len(columns), dtype=np.int32)
    found = place[bags.columns]
    kept = found >= 0
    before = np.zeros(len(kept) + 1, np.int32)
    np.cumsum(kept, out=before[1:])
    start = before[bags.start]
    return csr_matrix((np.ones(start[-1], np.float32), found[kept], start), (len(bags), len(columns)))
