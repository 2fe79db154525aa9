"""Detection of images: by which template the pictures below a folder belong to rows, and which presets suit them."""

from __future__ import annotations

import re
from collections import Counter

from kit.config import Config
from kit.inputs.base import Beginning
from kit.inputs.evidence import Evidence

LOOKED_AT = 500  # rows whose pictures are looked for
MOSTLY = 0.9  # share of these that must have a picture, or the folder holds other pictures
Folders = dict[str, dict[str, str]]  # folder → (name of a picture within it, with and without suffix) → suffix to add

SMALL = 64  # pixels a side: such pictures need no pretrained backbone
FAST = Config(model="resnet18", size=128, epochs=6, batch=32, lr=1e-3, augment="photo", views=2)
PHOTOS = Beginning(
    suits="photos",
    fast=FAST,
    best=FAST.changed(model="tf_efficientnet_b3", weights="hub", size=384, epochs=15, views=4),
)
SMALL_PICTURES = Beginning(
    suits="small pictures",
    fast=Config(width=32, epochs=15, lr=1e-2, augment="medium", views=2),
    best=Config(width=64, epochs=30, lr=1e-2, augment="medium", views=5),
)


def templates(evidence: Evidence) -> tuple[str, str]:
    """The templates of training and test pictures, as `Images` takes them; "" where most rows have no picture."""
    below = _folders(evidence.pictures)
    return _template(evidence, "train", below), _template(evidence, "test", below)


def _folders(pictures: list[str]) -> Folders:
    below: Folders = {}
    for name in pictures:
        parts = name.split("/")
        for depth in range(len(parts)):
            folder = below.setdefault("".join(f"{part}/" for part in parts[:depth]), {})
            inside = "/".join(parts[depth:])
            stem, dot, suffix = inside.rpartition(".")
            folder[inside], folder[stem] = "", dot + suffix
    return below


def _template(evidence: Evidence, split: str, below: Folders) -> str:
    """The best column and folder: most pictures, a folder called as the split, the id rather than another column."""
    table = evidence.train if split == "train" else evidence.test
    some = table.iloc[:: max(1, len(table) // LOOKED_AT)]
    named = [str(name) for name in some.columns if name not in evidence.answers and not re.search(r"[.:!{}\[\]]", str(name))]
    columns = {"id": list(some.index), **{name: list(some[name]) for name in named}}
    best: tuple[float, bool, bool, str] = (MOSTLY, False, False, "")
    for column, cells in columns.items():
        for folder, suffixes in below.items():
            hits = [suffixes[cell] for cell in cells if cell in suffixes]
            if len(hits) >= MOSTLY * len(cells) > 0 and (column == "id" or len(set(cells)) > len(cells) // 2):
                suffix = Counter(hits).most_common(1)[0][0]
                share = len(hits) / len(cells)
                best = max(best, (share, split in folder.lower(), column == "id", f"{folder}{{{column}}}{suffix}"))
    return best[-1]
