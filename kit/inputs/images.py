"""Images from files or archives, by a path template, decoded once into uint8 and kept, or streamed where they are too many."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit.data import levels
from kit.errors import BadData, Usage, listed
from kit.inputs.base import KEEP_ALL, Inputs, Keep, Loaded
from kit.inputs.decode import SUFFIXES, Unscaled
from kit.inputs.detection import PHOTOS, SMALL, SMALL_PICTURES, Beginning, Evidence, templates
from kit.inputs.image_files import Pictures, Streamed
from kit.storage import archives, array_cache, files

if TYPE_CHECKING:
    import pandas as pd

LOOK = 64  # side of the small copies of streamed images
NO_UTF8 = re.compile("[\\udc80-\\udcff]")  # what Python reads of other bytes in a file's name: no table can hold it
SHOWN, SIDE = 8, 32  # pictures that detection looks into, and at what size
MANY = 5000  # images whose decoding takes long enough to be announced


@lru_cache
def _parts(template: str) -> tuple[str, str]:
    parts = PurePosixPath(template).parts
    fixed = next(i for i, part in enumerate(parts) if "{" in part)
    return "/".join(parts[:fixed]), "/".join(parts[fixed:])


@dataclass(frozen=True)
class Images(Inputs):
    """A file a row: `template` such as `train/{id}.png` (any column of the table may stand in braces).

    The first folder of the template may be a folder, `.zip`, `.7z` or `.tar`; another image suffix than the template's,
    or none in it, is found too. `test`: the template of test images where it differs. `channels`: 3 (colour) or 1 (grey).
    `mirror`: may they be mirrored? `alike`: do pictures that are nearly the same count as one? Not where a digit tells
    them apart. `span`: the values (low, high) that become 0 and 255 in pictures of more than 8 bits; where it is not given,
    it is learned from the training pictures and kept with a run.
    """

    template: str
    test: str = ""
    channels: int = 3
    mirror: bool = True
    alike: bool = True
    span: levels.Span | None = None
    kind: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        for one in filter(None, (self.template, self.test)):
            if "{" not in one:
                raise ValueError(f"Images({one!r}): which column is in a picture's name? In braces, as {one}/{{id}}.png")
        if self.span is not None and (len(self.span) not in (2, 4) or self.span[0] >= self.span[-1]):
            raise ValueError(f"Images(span={self.span!r}): the values that become 0 and 255, as span=(0, 4095)")

    @classmethod
    def detect(cls, evidence: Evidence) -> Self | None:
        train, test = templates(evidence) if evidence.pictures else ("", "")
        if not train or not test:
            return None
        images = cls(train, test="" if test == train else test)
        some = images.load(evidence.root, evidence.train.iloc[:SHOWN], "train", SIDE).rows[:]
        return images.changed(channels=1) if (some == some[..., :1]).all() else images

    def used_columns(self) -> tuple[str, ...]:
        return tuple(name for name in re.findall("{(.*?)}", self.template + self.test) if name != "id")

    def doubts(self) -> list[str]:
        return ["pictures may be mirrored: state mirror=False where left is not right"]

    def beginning(self, root: Path, train: pd.DataFrame | None) -> Beginning:
        if train is None:
            return PHOTOS
        try:
            some = self.load(root, train.iloc[:SHOWN], "train", 0).rows
        except BadData:  # pictures of several sizes
            return PHOTOS
        return SMALL_PICTURES if max(some.shape[1:3]) <= SMALL else PHOTOS

    def _template(self, split: str) -> tuple[str, str]:
        """The folder that a split's images are in, and the rest of their template."""
        return _parts(self.test if split == "test" and self.test else self.template)

    def name(self, row_id: str, cells: dict[Any, Any], split: str) -> str:
        """The name of a row's image within the split's folder."""
        template = self._template(split)[1]
        try:
            return template.format(**{**cells, "id": row_id})
        except KeyError as missing:
            raise BadData(f"the template {template!r} needs a column {missing}; there are {listed(cells)}.") from None

    def files(self, root: Path) -> list[Path]:
        found: set[Path] = set()
        for folder, rest in {self._template(split) for split in ("train", "test")}:
            place = archives.find(root, folder)
            if place is None or not place.is_dir():
                found |= {place} if place else set()
                continue
            stem = re.escape(str(PurePosixPath(rest).with_suffix("")) if "." in rest else rest)
            braces = "[^/]*" if folder or "/" in rest else ".*"  # a bare {id} may hold folders
            again = f"({re.escape(PurePosixPath(folder).name)}/)?" if folder else ""
            pattern = re.compile(again + braces.join(re.split(r"\\{.*?\\}", stem)) + r"\.[^./]*")
            names = [name for name in archives.Folder(place).names if name.lower().endswith(SUFFIXES)]
            own = [name for name in names if pattern.fullmatch(name)]
            odd = next(filter(NO_UTF8.search, own), "")
            if odd:
                raise BadData(f"{place}: the file name {odd!r} is no UTF-8: rename it.")
            found |= {place / name for name in own}
        return sorted(found)

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        pictures = self._pictures(root, frame, split)
        try:
            return _loaded(pictures, split, size, keep)
        except Unscaled:  # the first picture of more than 8 bits
            pictures.span = pictures.learned()
        loaded = _loaded(pictures, split, size, keep)
        loaded.learned["span"] = pictures.span
        return loaded

    def _pictures(self, root: Path, frame: pd.DataFrame, split: str) -> Pictures:
        folder, _ = self._template(split)
        place = archives.find(root, folder)
        while place is None and "/" in folder:  # images/train/{id}.png in images.zip
            folder = folder.rpartition("/")[0]
            place = archives.find(root, folder)
        if place is None:
            raise BadData(
                f"{root / folder}: no such folder (nor {', '.join(archives.ARCHIVES)}).\n"
                f"Is {root} the competition's folder? See --data."
            )
        inner = self._template(split)[0].removeprefix(folder).strip("/")
        # pandas 2.2 has no records for a frame without columns
        cells = frame.to_dict("records") if len(frame.columns) else [{}] * len(frame)
        names = [self.name(one, row, split) for one, row in zip(frame.index, cells, strict=True)]
        named = [f"{inner}/{name}" if inner else name for name in names]
        return Pictures(
            store=archives.open_store(place),
            folder=PurePosixPath(folder).name,
            names=named,
            ids=list(frame.index),
            channels=self.channels,
            span=self.span and tuple(self.span),
        )

    def lay_out_again(self, root: Path, out: Path, known: pd.Series, cells: pd.DataFrame | None) -> None:
        table = known.to_frame() if cells is None else cells
        pictures = self._pictures(root, table.set_index(known.to_numpy()), "test")
        goals: dict[str, list[Path]] = {}
        for row_id, row, source in zip(known.index, table.to_dict("records"), pictures.found, strict=True):
            if source is not None:
                goal = out / self._template("test")[0] / self.name(row_id, row, "test")
                goals.setdefault(source, []).append(goal.with_suffix(PurePosixPath(source).suffix))

        def put(source: str, data: bytes) -> None:
            for goal in goals[source]:
                goal.parent.mkdir(parents=True, exist_ok=True)
                goal.write_bytes(data)

        pictures.store.each(goals, put)

    def example_id(self, split: str, number: int) -> str:
        suffix = "" if "." in PurePosixPath(self._template(split)[1]).name else ".jpg"
        return super().example_id(split, number) + suffix

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        from PIL import Image

        template = self._template(split)[1]
        suffix = "" if "." in template else ".png"  # of the cells that name files
        columns = {name: [one + suffix for one in ids] for name in re.findall("{(.*?)}", template) if name != "id"}
        for row, (row_id, one) in enumerate(zip(ids, classes, strict=True)):
            colour = (np.array([37, 91, 53]) * (one + 1) % 256)[None, None, : self.channels]
            image = np.clip(colour + rng.normal(0, 20, (32, 32, self.channels)), 0, 255).astype(np.uint8)
            path = (
                root
                / self._template(split)[0]
                / self.name(row_id, {name: cells[row] for name, cells in columns.items()}, split)
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(path, "PNG" if path.suffix.lower() == ".dcm" else None)
        return columns


def _loaded(pictures: Pictures, split: str, size: int, keep: Keep) -> Loaded:
    """The pictures, decoded and kept, or streamed. Raises Unscaled where they need a `span` and have none."""
    key = _key(pictures, split, size)
    kept = array_cache.get(key)
    if kept is None:
        height, width = (size, size) if size else pictures.size()
        shape = (len(pictures), height, width, pictures.channels)
        if np.prod(shape, dtype=float) > min(keep.most, max(array_cache.room(), 1 << 30)):
            return _stream(pictures, shape, split, keep)
        kept = _decoded(key, pictures, shape, split=split, size=size, keep=keep)
    _refuse_ruins(pictures, kept[1]["broken"], split)
    return Loaded(kept[0], kept[1]["broken"], notes=kept[1]["lines"])


def _key(pictures: Pictures, split: str, size: int) -> str:
    """What the decoded array is kept by: the files' content, the rows, and how they are decoded."""
    content = files.fingerprint(pictures.store.path.parent, pictures.files(), by_time=True)
    facts = [content, split, size, pictures.channels, pictures.span, *pictures.ids, *pictures.names]
    return hashlib.sha256("\0".join(map(str, facts)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _decoded(
    key: str, pictures: Pictures, shape: tuple[int, ...], split: str, size: int, keep: Keep
) -> tuple[np.ndarray, dict[str, Any]]:
    """The decoded images, kept for the next time, and what is wrong with the broken ones, and lines about the files."""
    if len(pictures) > MANY:
        keep.say(f"decoding {len(pictures):,} {split} images (once: they are kept in {array_cache.folder()})")
    fill = partial(pictures.decode_into, size=size, compact=split == "train")
    return array_cache.put(key, shape, fill)


def _stream(pictures: Pictures, shape: tuple[int, ...], split: str, keep: Keep) -> Loaded:
    """Images that are decoded when they are asked for, after one look through all of them."""
    if not pictures.store.random:
        raise Usage(f"{pictures.store.path}: {len(pictures):,} images do not fit on the disk decoded: unpack the archive.")
    keep.say(f"{len(pictures):,} {split} images are decoded when needed: {np.prod(shape) >> 30} GB, see --cache-gb")
    small = (len(pictures), LOOK, LOOK, pictures.channels)
    key = _key(pictures, split, LOOK)
    look, notes = array_cache.get(key) or _decoded(key, pictures, small, split=split, size=LOOK, keep=keep)
    broken = notes["broken"]
    _refuse_ruins(pictures, broken, split)
    sound = [i for i, one in enumerate(pictures.ids) if split == "test" or one not in broken]
    return Loaded(Streamed(pictures.only(sound), shape[1:3]), broken, look, notes=notes["lines"])


def _refuse_ruins(pictures: Pictures, broken: dict[str, str], split: str) -> None:
    """Raise BadData where most images of a split cannot be read: a broken download, not a broken image."""
    if len(broken) * 2 > len(pictures):
        raise BadData(
            f"{len(broken):,} of {len(pictures):,} {split} images cannot be read; the first: {next(iter(broken.values()))}\n"
            "Is the download whole, and the archive unpacked where the rest is?"
        )
