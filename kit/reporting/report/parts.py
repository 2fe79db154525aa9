"""Report parts: what a section of the page is made of, as data that the template fills in."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from PIL import Image

from kit.reporting import canvas
from kit.reporting.report.worst_rows import Mistake
from kit.storage.templates import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXCERPT = 600  # characters of a text
SIDE = 176  # pixels of the longer side of an embedded photograph
SMALL = 64  # pixels of a picture that is shown in blocks
STRETCH = 1.4  # how much larger than its own size a figure may be shown


@dataclass(frozen=True)
class Panel:
    """A drawing (or a table) with its caption; `width` in pixels at most; a `wide` one has a line to itself."""

    caption: str
    drawing: Markup | None = None
    table: Table | None = None
    width: int = 0
    wide: bool = False


@dataclass(frozen=True)
class Row:
    """One of the worst rows: its `picture` as a data URI (in blocks where it is `small`), or a text; where it comes from."""

    mistake: Mistake
    text: str
    picture: str
    small: bool
    where: str


@dataclass(frozen=True)
class Hint:
    """A piece of advice: what the run shows, what to do, and the page that says more, with a link where it is at hand."""

    shows: str
    do: str
    page: str
    link: str


@dataclass(frozen=True)
class Section:
    """A box of the page: a title, a line about what it shows (`plain`: it is the matter itself), and the parts that it has."""

    title: str
    note: str = ""
    panels: Sequence[Panel] = ()
    table: Table | None = None
    folded: Sequence[tuple[str, Table]] = ()
    rows: Sequence[Row] = ()
    wide: bool = False
    hints: Sequence[Hint] = ()
    plain: bool = False


def drawn(caption: str, figure: Figure) -> Panel:
    """A figure of the page."""
    width, height = figure.get_size_inches() * canvas.UNITS
    stretch = 1 if round(width) == round(height) else STRETCH
    return Panel(caption, Markup(canvas.svg(figure)), width=round(width * stretch), wide=width > 1.2 * canvas.SIZE[0])


def row_of(row: Mistake) -> Row:
    """A worst row as the page shows it."""
    text = row.text if len(row.text) <= EXCERPT else row.text[:EXCERPT] + "…"
    where = f"id {row.id}" + (f" · fold {row.fold}" if row.fold >= 0 else "") + f" · loss {row.loss:.3g}"
    small = row.picture is not None and max(row.picture.shape[:2]) <= SMALL
    return Row(row, text, "" if row.picture is None else _data_uri(row.picture, small), small, where)


def _data_uri(pixels: np.ndarray, small: bool) -> str:
    """A picture uint8 [h, w, c] as a `data:` address: PNG where it is small, else a JPEG of SIDE pixels."""
    image, buffer = Image.fromarray(pixels.squeeze()), io.BytesIO()
    if small:
        image.save(buffer, "PNG", optimize=True)
    else:
        image.thumbnail((SIDE, SIDE))
        image.save(buffer, "JPEG", quality=82)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(buffer.getvalue()).decode()}"
