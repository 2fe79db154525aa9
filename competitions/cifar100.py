"""CIFAR-100: 32×32 colour photographs of a hundred things (the public "python" archive), accuracy on the fine labels."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.competition import Asked, Competition, load
from kit.errors import BadData, listed
from kit.inputs import Packed
from kit.labels import OneOf
from kit.metrics import accuracy

if TYPE_CHECKING:
    import pandas as pd

PIXELS = Packed("cifar-100-python", side=32)


def table(root: Path, split: str) -> pd.DataFrame:
    """A split's fine and coarse labels as names, indexed by id."""
    import pandas as pd

    rows, meta = PIXELS.read(root, split), PIXELS.read(root, "meta")
    named = {}
    for kind in ("fine", "coarse"):
        codes, names = _listed(rows, f"{kind}_labels", split), _listed(meta, f"{kind}_label_names", "meta")
        strange = [row for row, code in enumerate(codes) if type(code) is not int or not 0 <= code < len(names)]
        if strange:
            raise BadData(
                f"{split}, row {strange[0]}: {kind} label {codes[strange[0]]!r} is none of meta's {len(names)} names."
            )
        named[f"{kind}_label"] = [names[code] for code in codes]
    pixels: Any = rows.get(PIXELS.key)
    counts = {"pixels": len(pixels) if getattr(pixels, "ndim", 0) else 0, **{key: len(one) for key, one in named.items()}}
    if len(set(counts.values())) > 1:
        raise BadData(f"{split}: rows of {', '.join(f'{key}: {count:,}' for key, count in counts.items())}. Download it again.")
    return pd.DataFrame(named, index=pd.Index(PIXELS.ids(split, counts["pixels"]), name="id"), dtype=object)


def _listed(content: dict[Any, Any], key: str, name: str) -> list[Any]:
    """A list in the archive's dictionary `name`; raises BadData where there is none."""
    if not isinstance(content.get(key), list):
        raise BadData(f"{name} has no list {key!r}; it has {listed(content)}. Is it the archive's own pickle?")
    return content[key]


def read_train(facts: Competition, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """The 50,000 training rows."""
    return table(root, "train"), []


def read_test(facts: Competition, root: Path) -> Asked:
    """The 10,000 test rows, whose answers are known."""
    answers = table(root, "test")[list(facts.labels.train_columns)]
    return Asked(answers[[]], answers.assign(**{facts.labels.train_columns[0]: ""}), answers)


def invent(facts: Competition, root: Path, train: int, test: int) -> None:
    """A small archive's worth of pickles."""
    import numpy as np

    rng = np.random.default_rng(0)
    names = {"fine_label_names": ["apple", "bear", "cup"], "coarse_label_names": ["alive", "dead"]}
    for split, count in (("train", train), ("test", test)):
        fine = [i % 3 for i in range(count)]
        rows = {"data": PIXELS.invented(fine, rng), "fine_labels": fine, "coarse_labels": [code // 2 for code in fine]}
        (root / PIXELS.folder).mkdir(parents=True, exist_ok=True)
        (root / PIXELS.folder / split).write_bytes(pickle.dumps(rows, protocol=2))
    (root / PIXELS.folder / "meta").write_bytes(pickle.dumps(names, protocol=2))


competition = Competition(
    slug="cifar-100",
    id="id",
    inputs=PIXELS,
    labels=OneOf("fine_label"),
    metric=accuracy,
    train="cifar-100-python",
    test="",
    sample="",
    read_train=read_train,
    read_test=read_test,
    invent=invent,
)
_ten = load("cifar10")  # its recipe, with more epochs
presets = {"fast": _ten.preset("fast").changed(epochs=12), "best": _ten.preset("best")}
