"""Images from files or archives, by a path template, decoded once into uint8 and kept, or streamed where they are too many."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from kit import recipes
from kit.data import levels
from kit.errors import BadData, Usage, listed
from kit.inputs.base import KEEP_ALL, Encode, Inputs, Keep, Loaded
from kit.inputs.decode import SUFFIXES, Unscaled
from kit.inputs.detection import Beginning, Evidence, photos, refuse_addresses, small_pictures, templates
from kit.inputs.image_files import Pictures, Streamed
from kit.inputs.layout.lookup import files_of, place_of
from kit.inputs.layout.rows import Rows
from kit.inputs.layout.template import Template, composed, stem
from kit.storage import archives, array_cache, files, frames

if TYPE_CHECKING:
    import pandas as pd

LOOK = 64  # side of the small copies of streamed images
NO_UTF8 = re.compile("[\\udc80-\\udcff]")  # what Python reads of other bytes in a file's name: no table can hold it
SHOWN, SIDE = 8, 32  # pictures that detection looks into, and at what size
MEASURED = 64  # pictures whose sizes tell whether all have one
MANY = 5000  # images whose decoding takes long enough to be announced


@dataclass(frozen=True)
class Images(Inputs):
    """A file a row: `template` such as `train/{id}.png` (any column of the table may stand in braces, `*` for any folder).

    `{id:0>5}` is the id filled up with zeros, `train/*/{id}.png` a file in any folder of train. Several templates are tried
    in turn. The first folder of a template may be a folder, `.zip`, `.7z` or `.tar`; another image suffix than the template's,
    or none in it, is found too. `test`: the template of test images where it differs. `channels`: 3 (colour) or 1 (grey).
    `mirror`: may they be mirrored? `alike`: do pictures that are nearly the same count as one? Not where a digit tells
    them apart. `span`: the values (low, high) that become 0 and 255 in pictures of more than 8 bits; where it is not given,
    it is learned from the training pictures and kept with a run.
    """

    template: str | tuple[str, ...]
    test: str | tuple[str, ...] = ""
    channels: int = 3
    mirror: bool = True
    alike: bool = True
    span: levels.Span | None = None
    kind: ClassVar[str] = "images"
    guesses: ClassVar[tuple[str, ...]] = ()  # of `detect`: what the files do not tell

    def __post_init__(self) -> None:
        for text in (*_texts(self.template), *_texts(self.test)):
            if "{" not in text:
                raise ValueError(f"Images({text!r}): which column is in a picture's name? In braces, as {text}/{{id}}.png")
        if self.span is not None and (len(self.span) not in (2, 4) or self.span[0] >= self.span[-1]):
            raise ValueError(f"Images(span={self.span!r}): the values that become 0 and 255, as span=(0, 4095)")

    @classmethod
    def detect(cls, evidence: Evidence) -> Self | None:
        train, test = (templates(evidence, split) for split in ("train", "test"))
        if not train.texts or not test.texts:
            refuse_addresses(evidence)
            return None
        texts, others = (one.texts if len(one.texts) > 1 else one.texts[0] for one in (train, test))
        images = cls(texts, test="" if others == texts else others)
        images = images.changed(guesses=tuple(dict.fromkeys([*train.doubts, *test.doubts])))
        some = images.load(evidence.root, evidence.train.iloc[:: -(-len(evidence.train) // SHOWN)], "train", SIDE).rows[:]
        return images.changed(channels=1) if (some == some[..., :1]).all() else images

    def used_columns(self) -> tuple[str, ...]:
        both = [*self._templates("train"), *self._templates("test")]
        return tuple(dict.fromkeys(name for one in both for name in one.columns if name != "id"))

    def doubts(self) -> list[str]:
        return [*self.guesses, "pictures may be mirrored: state mirror=False where left is not right"]

    def beginning(self, root: Path, train: pd.DataFrame | None, outputs: int = 1, encode: Encode | None = None) -> Beginning:
        sides = [] if train is None else self.sides(root, train)
        if train is None or not sides or max(map(max, sides)) > recipes.SMALL:
            return photos(0 if train is None else len(train), self.channels == 3)
        return small_pictures(len(train), 0 if len(set(sides)) == 1 else -(-int(np.median(sides)) // 8) * 8)  # a multiple of 8

    def sides(self, root: Path, train: pd.DataFrame) -> list[tuple[int, int]]:
        """Height and width of the pictures of some training rows that can be read."""
        return self._pictures(root, train.iloc[:: -(-len(train) // MEASURED)], "train").sides()

    def file_facts(self, root: Path, frame: pd.DataFrame, split: str) -> dict[str, np.ndarray]:
        width, height, size = self._pictures(root, frame, split).measures().T
        return {"width": width, "height": height, "aspect": width / height, "file size": size}

    def _templates(self, split: str) -> tuple[Template, ...]:
        return tuple(map(Template, _texts(self.test if split == "test" and self.test else self.template)))

    def files(self, root: Path) -> list[Path]:
        found: set[Path] = set()
        for template in {*self._templates("train"), *self._templates("test")}:
            place, inner = place_of(root, template)
            if place is None or not place.is_dir():
                found |= {place} if place else set()
                continue
            below = place / inner
            names = [name for name in archives.Folder(below).names if name.lower().endswith(SUFFIXES)]
            own = [name for name in names if template.pattern.fullmatch(composed(name))]
            odd = next(filter(NO_UTF8.search, own), "")
            if odd:
                raise BadData(f"{place}: the file name {odd!r} is no UTF-8: rename it.")
            found |= {below / name for name in own}
        return sorted(found)

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int, keep: Keep = KEEP_ALL) -> Loaded:
        pictures = self._pictures(root, frame, split)
        try:
            loaded = _loaded(pictures, split, size, keep)
        except Unscaled:  # the first picture of more than 8 bits
            pictures.span = pictures.learned()
            loaded = _loaded(pictures, split, size, keep)
            loaded.learned["span"] = pictures.span
        loaded.notes = [*pictures.layout.notes, *loaded.notes]
        return loaded

    def _pictures(self, root: Path, frame: pd.DataFrame, split: str) -> Pictures:
        files = files_of(root, self._templates(split), frame, split)
        return Pictures(files, list(frame.index), self.channels, self.span and tuple(self.span))

    def lay_out_again(self, root: Path, out: Path, known: pd.Series, cells: pd.DataFrame | None) -> None:
        row_id = known.index.name
        table = known.to_frame("") if cells is None else cells.drop(columns=row_id, errors="ignore")
        pictures = self._pictures(root, table.set_index(known.to_numpy()).rename_axis(row_id), "test")
        rows = Rows(self._templates("test"), table.set_index(known.index))
        goals: dict[str, list[Path]] = {}
        for row, source in enumerate(pictures.found):
            if source is not None:
                name = rows.below(pictures.layout.templates[row], row)
                goals.setdefault(source, []).append(out / f"{stem(name)}{PurePosixPath(source).suffix}")

        def put(source: str, data: bytes) -> None:
            for goal in goals[source]:
                goal.parent.mkdir(parents=True, exist_ok=True)
                goal.write_bytes(data)

        pictures.store.each(goals, put)

    def example_id(self, split: str, number: int) -> str:
        suffix = "" if "." in self._templates(split)[0].rest[-1] else ".jpg"
        return super().example_id(split, number) + suffix

    def fabricate(
        self,
        root: Path,
        ids: list[str],
        split: str,
        classes: list[int],
        rng: np.random.Generator,
        cells: dict[str, list[str]] | None = None,
    ) -> dict[str, list[str]]:
        from PIL import Image

        templates = self._templates(split)
        given = {**(cells or {}), "id": ids}
        columns = {}
        for name in (name for template in templates for name in template.columns if name not in given):
            last = [template.rest[-1] for template in templates if f"{{{name}" in template.rest[-1]]
            suffix = ".png" if last and "." not in last[0] else ""  # of the cells that name files
            columns[name] = [one + suffix if last else stem(one) for one in ids]
        rows = Rows(templates, frames.of_text({**columns, **given}, index=ids))
        for row, one in enumerate(classes):
            colour = (np.array([37, 91, 53]) * (one + 1) % 256)[None, None, : self.channels]
            image = np.clip(colour + rng.normal(0, 20, (32, 32, self.channels)), 0, 255).astype(np.uint8)
            path = root / rows.below(templates[row % len(templates)], row)
            path = path if path.name.lower().endswith(SUFFIXES) else path.with_name(f"{path.name}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(path, "PNG" if path.suffix.lower() == ".dcm" else None)
        return columns


def _texts(templates: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (templates,) if isinstance(templates, str) else templates))


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
    facts = [content, split, size, pictures.channels, pictures.span, *pictures.ids, *pictures.names, *pictures.found]
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
        missing = pictures.found.count(None)
        there = [name for name in pictures.store.names if name.lower().endswith(SUFFIXES)] if missing else []
        hint = f"There are {len(there):,} pictures, such as {listed(there[:2])}. " if there else ""
        raise BadData(
            f"{len(broken):,} of {len(pictures):,} {split} images cannot be read; the first: {next(iter(broken.values()))}\n"
            f"{hint}Is the download whole, and the archive unpacked where the rest is?"
        )
