"""Quadratic equations: from the picture of an equation to its coefficients a, b, c; root mean squared error.

The preset `fast` regresses them. `best` reads the equation (the training file has its text) and computes them.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition import Asked, Competition
from kit.config import Config
from kit.data.folds import content_codes, kept_back
from kit.inputs import Images
from kit.labels import Numbers, Reading
from kit.metrics import rmse
from kit.storage import files, frames

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PRODUCT = re.compile(r"\(x([+-]\d+)\)\(x([+-]\d+)\)=0")
TERM = re.compile(r"([+-]?)(?:(\d*)(x²)|(\d*)(x)|(\d+))")


def coefficients(text: str, sign: int = 1) -> tuple[int, int, int] | None:
    """a, b, c of an equation written without spaces, None where it is none. `sign`: of the b recorded for a product."""
    product = PRODUCT.fullmatch(text)
    if product:
        p, q = int(product[1]), int(product[2])
        return 1, sign * (p + q), p * q
    sides = [polynomial(side) for side in text.split("=")]
    if len(sides) != 2 or None in sides:
        return None
    a, b, c = (left - right for left, right in zip(*sides, strict=True))
    return a, b, c


def polynomial(text: str) -> list[int] | None:
    """The coefficients of x², x and 1 in a sum of terms such as 15x²-22x, None where it is none."""
    found, position = [0, 0, 0], 0
    for term in TERM.finditer(text):
        signed, digits = term[1], next(one for one in (term[2], term[4], term[6]) if one is not None)
        if term.start() != position or (position and not signed):
            return None
        found[0 if term[3] else 1 if term[5] else 2] += int(f"{signed}{digits or 1}")
        position = term.end()
    return found if text and position == len(text) else None


def spelled(*terms: tuple[int, str]) -> str:
    """A sum of terms (factor, power of x) as the organisers write it; terms of nothing are left out."""
    words = [f"{'-' if k < 0 else '+'} {abs(k) if abs(k) > 1 or not x else ''}{x}" for k, x in terms if k]
    text = (" ".join(words) or "0").removeprefix("+ ")
    return text.replace("- ", "-", 1) if text.startswith("-") else text


def equation(rng: np.random.Generator) -> str:
    """An equation at random, in one of the organisers' four forms."""
    a, b, c = int(rng.integers(1, 21)), int(rng.integers(-15, 90)), int(rng.integers(1, 90))
    p, q = (int(one) for one in rng.choice([-1, 1], 2) * rng.integers(1, 23, 2))
    forms = (
        f"{spelled((b, 'x'), (c, ''))} = {spelled((-a, 'x²'))}",
        f"{spelled((a, 'x²'), (b, 'x'))} = {c}",
        f"{spelled((a, 'x²'), (b, 'x'), (-c, ''))} = 0",
        f"({spelled((1, 'x'), (p, ''))})({spelled((1, 'x'), (q, ''))}) = 0",
    )
    return forms[rng.integers(4)]


def table(facts: Competition, root: Path) -> tuple[pd.DataFrame, np.ndarray, bool]:
    """The details, which rows of them are the test's, and whether those were kept back here for want of a sample.

    A fifth of the pictures is then, equal ones together.
    """
    import numpy as np

    rows = frames.index_by(frames.read_csv(files.read(root, facts.train), facts.train), facts.id, facts.train)
    frames.need_columns(rows, list(facts.labels.train_columns), facts.train)
    if files.find(root, facts.sample):
        return rows, rows.index.isin(facts.sample_table(root).index), False
    pictures = facts.inputs.load(root, rows, "train", 0)
    sound = ~rows.index.isin(list(pictures.broken))
    back = np.zeros(len(rows), bool)
    back[sound] = kept_back(
        content_codes(sha256(picture.tobytes()).digest() for picture in pictures.rows), [""] * int(sound.sum())
    )
    return rows, back, True


def read_train(facts: Competition, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """The rows to train on."""
    rows, back, here = table(facts, root)
    notes = [f"no {facts.sample}: {back.sum():,} of {len(rows):,} rows are kept back as the test set"] if here else []
    return rows[~back], notes


def read_test(facts: Competition, root: Path) -> Asked:
    """The ids of the sample submission, or the rows kept back, whose answers are known."""

    if files.find(root, facts.sample):
        sample = facts.sample_table(root)
        return Asked(sample[[]], sample)
    rows, back, _ = table(facts, root)
    test = rows[back]
    return Asked(test[[]], test[[]].assign(**dict.fromkeys(NAMES, "0")), test[list(facts.labels.train_columns)])


def shape(facts: Competition, config: Config, root: Path | None) -> Competition:
    """A reader learns the text of the equation besides."""
    known: Numbers = facts.labels
    if config.model != "reader":
        return facts
    signs = tuple(partial(coefficients, sign=sign) for sign in (1, -1))
    bounds = {"whole": True, "low": known.low, "high": known.high}
    return replace(facts, labels=Reading(NAMES, **bounds, column="equation", alphabet=ALPHABET, longest=16, compute=signs))


def lay_out(root: Path, train: int, test: int, seed: int = 0) -> None:
    """Write a small folder like the organisers', of drawn equations."""
    import numpy as np
    import pandas as pd
    from PIL import Image

    from kit.inputs import rendered_text

    rng = np.random.default_rng(seed)
    ids = [f"eqn_{i:04d}" for i in range(train + test)]
    texts = [equation(rng) for _ in ids]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for one, text in zip(ids, texts, strict=True):
            picture = io.BytesIO()
            Image.fromarray(rendered_text.line(text, 300, 100)).save(picture, format="PNG")
            archive.writestr(zipfile.ZipInfo(f"{FOLDER}/{one}.png"), picture.getvalue())
    files.write(root / f"{FOLDER}.zip", packed.getvalue())
    numbers = pd.DataFrame([coefficients(text.replace(" ", ""), RECORDED) for text in texts], columns=list(NAMES))
    every = pd.concat([pd.DataFrame({"id": ids}), numbers, pd.DataFrame({"equation": texts})], axis=1)
    frames.write_csv(root / competition.train, every[:train], index=False)
    frames.write_csv(root / competition.sample, every[train:][["id"]].assign(**dict.fromkeys(NAMES, 0)), index=False)


ALPHABET = "0123456789x²+-=()"
NAMES, FOLDER = ("a", "b", "c"), "Images of Equations"
RECORDED = -1  # the organisers record -(p + q) as the b of a product (x + p)(x + q)
competition = Competition(
    slug="images-of-randomly-generated-quadratic-equations",
    id="id",
    inputs=Images(f"{FOLDER}/{{id}}.png", channels=1, mirror=False, alike=False),
    labels=Numbers(NAMES, whole=True, low=(1, -48, -792), high=(20, 96, 600)),
    metric=rmse,
    train="Quadratic Equation Full Details.csv",
    test="",
    read_train=read_train,
    read_test=read_test,
    invent=lambda facts, root, train, test: lay_out(root, train, test),
    shape=shape,
)
presets = {
    "fast": Config(model="strip", width=16, crop="ink", epochs=30, batch=32, huber=0.3, augment="light"),
    "best": Config(model="reader", width=12, crop="ink", epochs=8, batch=32, lr=6e-3, augment="light"),
}
