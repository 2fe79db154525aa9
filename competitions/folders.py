"""Folders: any `train/<class>/*` tree of pictures, with `val/` or `test/` or neither; accuracy. Needs no adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition import Asked, Competition
from kit.config import Config
from kit.holdout import kept_back
from kit.inputs import Images
from kit.labels import OneOf
from kit.metrics import accuracy

if TYPE_CHECKING:
    import pandas as pd


def pictures(root: Path, part: str) -> dict[str, str]:
    """The pictures below a folder, by path from the root: the name of the folder they are in below `part` ("" for none)."""
    found = Images("{id}").files(root / part) if (root / part).is_dir() else []
    named = {path.relative_to(root).as_posix(): path.relative_to(root / part).parts for path in found}
    return {name: parts[0] if len(parts) > 1 else "" for name, parts in named.items() if not parts[-1].startswith(".")}


def hidden_of(root: Path, train: dict[str, str]) -> set[str]:
    """The training pictures that are kept back where there is neither val/ nor test/."""
    if any((root / part).is_dir() for part in ("val", "test")):
        return set()
    back = kept_back([(root / name).read_bytes() for name in train], list(train.values()))
    return {name for name, one in zip(train, back, strict=True) if one}


def frame(rows: dict[str, str]) -> pd.DataFrame:
    """Labels by path."""
    import pandas as pd

    return pd.DataFrame({"label": list(rows.values())}, index=pd.Index(list(rows), name="file"), dtype=object)


def read_train(facts: Competition, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """The training pictures, and what is odd about the files."""
    train = {name: one for name, one in pictures(root, "train").items() if one}
    hidden = hidden_of(root, train)
    kinds: dict[str, list[str]] = {}
    for name in train:
        kinds.setdefault(Path(name).suffix.lower().replace("jpeg", "jpg"), []).append(name)
    notes = [
        f"{names[0]}: the only {kind} among {len(train)} pictures: look at it"
        for kind, names in kinds.items()
        if len(names) == 1 < len(train)
    ]
    notes += [f"no val/ or test/: {len(hidden)} of {len(train)} pictures are kept back as the test set"] if hidden else []
    return frame({name: one for name, one in train.items() if name not in hidden}), notes


def read_test(facts: Competition, root: Path) -> Asked:
    """The pictures of val/ and test/; those in a class's folder have known answers."""
    train = pictures(root, "train")
    asked = pictures(root, "val") | pictures(root, "test")
    if not asked and train:
        hidden = hidden_of(root, train)
        asked = {name: one for name, one in train.items() if name in hidden}
    if not asked:  # a folder of pictures to predict, nothing else
        asked = pictures(root, ".")
    classes = set(train.values()) - {""}
    strange = sorted({one for one in asked.values() if one and one not in classes}) if classes else []
    notes = [
        f"class {one!r} is in the test set and not in train/: nothing can predict it, its pictures are not scored"
        for one in strange
    ]
    known = {name: one for name, one in asked.items() if one in classes}
    return Asked(frame(asked)[[]], frame(dict.fromkeys(asked, "")), frame(known) if known else None, tuple(notes))


def invent(facts: Competition, root: Path, train: int, test: int) -> None:
    """Pictures of two classes in two folders."""
    import numpy as np

    for split, count in (("train", train), ("test", test)):
        classes = [i % 2 for i in range(count)]
        names = [f"{split}/{('ants', 'bees')[one]}/{i}.png" for i, one in enumerate(classes)]
        facts.inputs.fabricate(root, names, split, classes, np.random.default_rng(0))


competition = Competition(
    slug="folders",
    id="file",
    inputs=Images("{id}"),
    labels=OneOf("label"),
    metric=accuracy,
    train="train",
    test="",
    sample="",
    read_train=read_train,
    read_test=read_test,
    invent=invent,
)
presets = {
    "fast": Config(model="convnet", width=16, size=64, epochs=40, batch=32, augment="medium", views=2),
    "best": Config(model="resnet50", weights="hub", size=224, epochs=12, batch=32, lr=4e-4, augment="photo", views=4),
}
