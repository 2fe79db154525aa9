"""Images from files, by a path template, decoded once into uint8."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kit.errors import BadData, listed
from kit.inputs.base import Inputs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Images(Inputs):
    """A file a row: `template` such as `images/{id}.png` (any column of the table may stand in braces).

    `test`: the template of test images where it differs. `channels`: 3 (colour) or 1 (grey).
    """

    template: str
    test: str = ""
    channels: int = 3
    kind: ClassVar[str] = "images"

    def path(self, root: Path, row_id: str, cells: dict[Any, Any], split: str) -> Path:
        """Where the image of a row is."""
        template = self.test if split == "test" and self.test else self.template
        try:
            return root / template.format(**{**cells, "id": row_id})
        except KeyError as missing:
            raise BadData(f"the template {template!r} needs a column {missing}; there are {listed(cells)}.") from None

    def files(self, root: Path) -> list[Path]:
        patterns = {re.sub(r"\{.*?\}", "*", template) for template in (self.template, self.test) if template}
        return sorted(path for pattern in patterns for path in root.glob(pattern) if path.is_file())

    def load(self, root: Path, frame: pd.DataFrame, split: str, size: int) -> np.ndarray:
        # pandas 2.2 has no records for a frame without columns
        rows = frame.to_dict("records") if len(frame.columns) else [{}] * len(frame)
        images = [
            decode(self.path(root, row_id, cells, split), row_id, self.channels, size)
            for row_id, cells in zip(frame.index, rows, strict=True)
        ]
        shapes = {image.shape for image in images}
        if len(shapes) > 1:
            raise BadData(f"{root}: the {split} images have {len(shapes)} different sizes: give one with --size.")
        return np.stack(images)

    def fabricate(
        self, root: Path, ids: list[str], split: str, classes: list[int], rng: np.random.Generator
    ) -> dict[str, list[str]]:
        from PIL import Image

        for row_id, one in zip(ids, classes, strict=True):
            colour = (np.array([37, 91, 53]) * (one + 1) % 256)[None, None, : self.channels]
            image = np.clip(colour + rng.normal(0, 20, (32, 32, self.channels)), 0, 255).astype(np.uint8)
            path = self.path(root, row_id, {}, split)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(path)
        return {}


def decode(path: Path, row_id: str, channels: int, size: int = 0) -> np.ndarray:
    """An image file as uint8 [h, w, channels]: upright (EXIF), transparency on white; resized to a square if `size`.

    Pillow rather than OpenCV: it refuses a truncated file, where OpenCV returns grey garbage.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(path.read_bytes())) as opened:
            image = _eight_bits(ImageOps.exif_transpose(opened))
            if "A" in image.getbands() or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            array = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except FileNotFoundError:
        raise BadData(f"{path}: no such image (id {row_id!r}). Is the archive unpacked?") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
        raise BadData(f"{path}: not a readable image (id {row_id!r}: {fault}).") from None
    array = array.reshape(*array.shape[:2], channels)
    return resize(array, size) if size else array


def _eight_bits(image: Any) -> Any:
    """16-bit grey as 8-bit by scale: Pillow's own conversion clips to white what is over 255."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.mode[0] != "I":
        return image
    return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [h, w, c] to [size, size, c]; by area where it shrinks, so that nothing aliases."""
    import cv2

    shrinks = size < min(image.shape[:2])
    scaled = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return scaled.reshape(size, size, image.shape[2])
