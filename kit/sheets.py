"""Sheets: contact sheets of what a model will see, so that people look before they train; and of how it answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from kit import augment, files, photos, views
from kit.competition import Tables
from kit.config import Config
from kit.inputs import drawn
from kit.labels import Numbers

ROWS, COLUMNS = 8, 9  # pictures; augmentations of each, or views
SIDE, LABEL, HEAD = 96, 150, 40  # pixels of a picture, and of the labels beside and above
WIDE, GAP = 300, 12  # pixels of a captioned picture or a panel, and between them
POINTS = 5000  # drawn in a panel at most
INK, PAPER, SHADE, POINT = (30, 30, 30), (255, 255, 255), (205, 205, 205), (20, 90, 170)


def augmented(images: Any, tables: Tables, config: Config, mirror: bool) -> np.ndarray:
    """A row a picture: as it is, then as eight epochs show it to the model."""
    rows = _varied(tables, len(images))
    strips = [np.asarray(images[rows])]
    for epoch in range(COLUMNS - 1):
        strips.append(_numpy(_epoch(images, rows, config, epoch, mirror)))
    heads = ["as it is", *(f"epoch {epoch + 1}" for epoch in range(COLUMNS - 1))]
    return sheet(strips, _names(tables, rows), heads)


def viewed(images: Any, tables: Tables, config: Config, mirror: bool) -> np.ndarray:
    """A row a picture: the first views of the preset's kind, which `--views` averages."""
    rows = _varied(tables, len(images))
    batch = torch.from_numpy(np.asarray(images[rows])).permute(0, 3, 1, 2)
    every = views.available(images.shape[1], mirror, config.view_kind)[:COLUMNS]
    strips = [_numpy(view.do(batch)) for view in every]
    return sheet(strips, _names(tables, rows), [f"{i + 1} {view.name}" for i, view in enumerate(every)])


def sheet(strips: list[np.ndarray], labels: list[str], heads: list[str]) -> np.ndarray:
    """Pictures uint8 [n, h, w, c] side by side, one strip a column, labels at the left: uint8 [height, width, 3]."""
    from PIL import Image, ImageDraw, ImageFont

    count, gap = len(strips[0]), 6
    canvas = Image.new("RGB", (LABEL + len(strips) * (SIDE + gap) + gap, HEAD + count * (SIDE + gap)), PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for j, (strip, head) in enumerate(zip(strips, heads, strict=True)):
        left = LABEL + j * (SIDE + gap)
        for line, words in enumerate(head.split(", ")):
            pen.text((left, 4 + 16 * line), _fitting(pen, words, font, SIDE), INK, font)
        for i, picture in enumerate(strip):
            scaled = Image.fromarray(picture.squeeze()).convert("RGB")
            how = Image.Resampling.NEAREST if max(scaled.size) < SIDE else Image.Resampling.LANCZOS
            canvas.paste(scaled.resize((SIDE, SIDE), how), (left, HEAD + i * (SIDE + gap)))
    for i, label in enumerate(labels):
        pen.text((8, HEAD + i * (SIDE + gap) + SIDE // 2 - 8), _fitting(pen, label, font, LABEL - 14), INK, font)
    return np.asarray(canvas)


def captioned(pictures: np.ndarray, captions: list[str], across: int) -> np.ndarray:
    """Pictures uint8 [n, h, w, c] in a grid, `across` in a row, their captions below: uint8 [height, width, 3]."""
    from PIL import Image, ImageDraw

    high = round(pictures.shape[1] * WIDE / pictures.shape[2])
    canvas = Image.new("RGB", (across * (WIDE + GAP) + GAP, -(-len(captions) // across) * (high + HEAD) + GAP), SHADE)
    pen = ImageDraw.Draw(canvas)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = GAP + i % across * (WIDE + GAP), GAP + i // across * (high + HEAD)
        scaled = Image.fromarray(picture.squeeze()).convert("RGB").resize((WIDE, high), Image.Resampling.LANCZOS)
        canvas.paste(scaled, (left, top))
        drawn.put(pen, (left, top + high + 4), caption, 13, INK)
    return np.asarray(canvas)


def scatter(truth: np.ndarray, answer: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """A panel for each number [n, c]: the answers over the truth, and the line where they agree; uint8 [h, w, 3]."""
    from PIL import Image, ImageDraw, ImageFont

    margin, gap = 60, 24
    canvas = Image.new("RGB", (len(names) * (WIDE + margin + gap), WIDE + 2 * margin), PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for j, name in enumerate(names):
        left, base = margin + j * (WIDE + margin + gap), margin + WIDE
        both = np.concatenate([truth[:, j], answer[:, j]])
        low, high = float(both.min()), float(both.max())
        scale = (WIDE - 1) / (high - low or 1)
        pen.rectangle((left, margin, left + WIDE, base), outline=SHADE)
        pen.line((left, base, left + WIDE, margin), SHADE)
        some = slice(None, None, -(-len(truth) // POINTS))
        for x, y in zip(left + (truth[some, j] - low) * scale, base - (answer[some, j] - low) * scale, strict=True):
            pen.ellipse((x - 1.5, y - 1.5, x + 1.5, y + 1.5), fill=POINT)
        gaps = np.abs(answer[:, j] - truth[:, j])
        pen.text((left, margin - 22), f"{name}: mean error {gaps.mean():.3g}, the largest {gaps.max():.3g}", INK, font)
        pen.text((left, base + 6), f"{low:g}", INK, font)
        pen.text((left + WIDE, base + 6), f"{high:g}", INK, font, anchor="ra")
        pen.text((left + WIDE / 2, base + 22), "true", INK, font, anchor="ma")
        pen.text((left - 6, base), f"{low:g}", INK, font, anchor="rs")
        pen.text((left - 6, margin), f"{high:g}", INK, font, anchor="rt")
    return np.asarray(canvas)


def write(path: Path, picture: np.ndarray) -> None:
    """Write a PNG atomically."""
    from PIL import Image

    files.write(path, lambda file: Image.fromarray(picture).save(file, format="PNG"))


def _fitting(pen: Any, text: str, font: Any, width: int) -> str:
    """The text, cut where it would run into its neighbour."""
    if pen.textlength(text, font) <= width:
        return text
    while text and pen.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"


def _varied(tables: Tables, count: int) -> np.ndarray:
    """Training rows of as many different strata as there are, in their order."""
    strata = tables.labels.strata(tables.labels.encode(tables.train))[:count]
    turn = np.zeros(len(strata), int)  # how often a row's stratum came before
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        turn[own] = np.arange(len(own))
    return np.sort(np.argsort(turn, kind="stable")[:ROWS])


def _names(tables: Tables, rows: np.ndarray) -> list[str]:
    y = tables.labels.certain(tables.labels.encode(tables.train.iloc[rows]))
    answers = tables.labels.decode(y, list(tables.sample.columns))
    if len(answers) == 1:
        return [str(one) for one in next(iter(answers.values()))]
    numbers = isinstance(tables.labels, Numbers)
    every = [{name: values[i] for name, values in answers.items()} for i in range(len(rows))]
    return [" ".join(f"{name} {v:g}" if numbers else name for name, v in one.items() if numbers or v > 0.5) for one in every]


def _epoch(images: Any, rows: np.ndarray, config: Config, epoch: int, mirror: bool) -> torch.Tensor:
    """The pictures as the batch of an epoch has them when they reach the net."""
    feed = photos.make(images, np.zeros(len(images), int), rows, config.changed(workers=0), 0, mirror, lambda text: None)
    feed.rows, feed.steps, feed.epoch = rows, 1, epoch
    batch = next(iter(feed))
    changed = augment.apply(config.augment, batch["images"], config.seed, epoch, batch["rows"], mirror)
    changed, _, _ = augment.mix(config.augment, changed, config.seed, epoch, 0)
    return changed[torch.argsort(batch["rows"])]


def _numpy(images: torch.Tensor) -> np.ndarray:
    return images.float().round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
