"""Folders: any `train/<class>/*` tree of pictures, with `val/` or `test/` or neither; accuracy. Needs no adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition import Asked, Competition
from kit.config import Config
from kit.data.folds import content_codes, kept_back
from kit.errors import BadData, listed
from kit.inputs import Images
from kit.inputs.decode import SUFFIXES
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.recipes import PRETRAINED
from kit.storage import files

if TYPE_CHECKING:
    import pandas as pd


ASKED = ("val", "valid", "validation", "test")  # folders of pictures to be answered
ARCHIVES = (".zip", ".7z", ".tar", ".gz", ".tgz")


def seen(parts: tuple[str, ...]) -> bool:
    """Is it a file that somebody put there? Not one that a notebook or a Mac keeps beside."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in parts)


def pictures(root: Path, part: str) -> dict[str, str]:
    """The pictures below a folder, by path from the root: the name of the folder they are in below `part` ("" for none)."""
    found = Images("{id}").files(root / part) if (root / part).is_dir() else []
    named = {path.relative_to(root).as_posix(): path.relative_to(root / part).parts for path in found}
    return {name: parts[0] if len(parts) > 1 else "" for name, parts in named.items() if seen(parts)}


def parts_of(root: Path, shown: dict[str, str]) -> tuple[dict[str, str], dict[str, str], bool]:
    """Of what `train/` shows, the pictures to learn from; those to be answered; whether these were kept back from train/."""
    train = {name: one for name, one in shown.items() if one}
    asked = {name: one for part in ASKED for name, one in pictures(root, part).items()}
    if asked or not train:
        return train, asked or pictures(root, "."), False  # a folder of pictures to predict, nothing else
    back = kept_back(content_codes(files.content_digest(root / name) for name in train), list(train.values()))
    asked = {name: one for (name, one), kept in zip(train.items(), back, strict=True) if kept}
    if not asked:
        raise BadData(f"{root}: fewer than five pictures a class are too few to keep some back: put a few into test/.")
    return {name: one for name, one in train.items() if name not in asked}, asked, True


def none(root: Path, what: str) -> BadData:
    """The error for a folder without `what`, and where they may be."""
    packed = [path for path in sorted(root.iterdir()) if path.suffix.lower() in ARCHIVES]
    deeper = sorted(path.parent for path in root.glob("*/[tT]rain") if path.is_dir())
    if packed:
        hint = f"Unpack {packed[0].name} there: this layout is read from folders."
    elif deeper:
        hint = f"Is it {deeper[0]}? See --data."
    else:
        hint = "Wanted is a folder that holds train/CLASS/PICTURE, say train/ants/1.jpg. See --data."
    return BadData(f"{root}: no {what}.\n{hint}")


def frame(rows: dict[str, str]) -> pd.DataFrame:
    """Labels by path."""
    import pandas as pd

    return pd.DataFrame({"label": list(rows.values())}, index=pd.Index(list(rows), name="file"), dtype=object)


def passed_over(root: Path, shown: dict[str, str]) -> list[str]:
    """Notes on what is in the folders and not used."""
    notes = []
    loose = [name for name, one in shown.items() if not one]
    if loose:
        notes.append(f"{len(loose)} pictures lie in no class's folder of train/ and are left out: {listed(loose)}")
    inside = [path for part in ("train", *ASKED) for path in sorted((root / part).rglob("*")) if path.is_file()]
    names = [path.relative_to(root).as_posix() for path in inside if not path.name.lower().endswith(SUFFIXES)]
    other = [name for name in names if seen(Path(name).parts)]
    if other:
        notes.append(f"{len(other)} files are no pictures by their suffix and are not read: {listed(other)}")
    classes = set(shown.values())
    empty = [path.name for path in sorted((root / "train").iterdir()) if path.is_dir() and path.name not in classes]
    empty = [name for name in empty if seen((name,))]
    return [*notes, f"no pictures in train/ of {listed(empty)}: no class"] if empty else notes


def read_train(facts: Competition, root: Path) -> tuple[pd.DataFrame, list[str]]:
    """The training pictures, and what is odd about the files."""
    shown = pictures(root, "train")
    train, asked, kept = parts_of(root, shown)
    if not train:
        raise none(root, "pictures in train/CLASS/")
    count = len(train) + len(asked) * kept
    kinds: dict[str, list[str]] = {}
    for name in [*train, *(asked if kept else ())]:
        kinds.setdefault(Path(name).suffix.lower().replace("jpeg", "jpg"), []).append(name)
    notes = [
        f"{names[0]}: the only {kind} among {count} pictures: look at it"
        for kind, names in kinds.items()
        if len(names) == 1 < count
    ]
    notes += [f"no val/ or test/: {len(asked)} of {count} pictures are kept back as the test set"] if kept else []
    return frame(train), notes + passed_over(root, shown)


def read_test(facts: Competition, root: Path) -> Asked:
    """The pictures of val/ and test/; those in a class's folder have known answers."""
    train, asked, _ = parts_of(root, pictures(root, "train"))
    if not asked:
        raise none(root, "pictures in it")
    classes = set(train.values())
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
        facts.inputs.fabricate(root, names, split=split, classes=classes, rng=np.random.default_rng(0))


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
    "best": PRETRAINED.preset(model="resnet50", weights="hub", size=224, augment="photo", views=4),
}
