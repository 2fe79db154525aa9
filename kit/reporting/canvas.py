"""Canvas: matplotlib figures in the kit's looks; as SVG that is light or dark as its viewer is, or as a light PNG.

Matplotlib is imported where it is used: a run that draws nothing starts without it (0.4 s).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from kit.storage import files, templates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {  # light, dark
    "paper": ("#ffffff", "#1b1e23"),
    "ink": ("#20242a", "#e6e8ea"),
    "soft": ("#5c6470", "#a3abb6"),
    "rule": ("#e4e4de", "#2e333b"),
    "one": ("#2f6aa8", "#78aee8"),
    "two": ("#c2612c", "#e79a63"),
    "three": ("#3b8552", "#7cc492"),
    "four": ("#8459a8", "#bf9be0"),
    "five": ("#9a7a1f", "#d9bd6a"),
    "six": ("#2b8f98", "#74c9d1"),
    "seven": ("#7a7a7a", "#a8a8a8"),
}
TONES = ("one", "two", "three", "four", "five", "six", "seven")  # of things side by side
INK = {name: light for name, (light, _) in COLOURS.items()}
NAMES = {light: name for name, light in INK.items()}
SIZE = (360.0, 220.0)  # points; about a phone's width, where nothing is scaled down
DESK = (720.0, 540.0)  # points of a figure that stands alone: 960×720 pixels
UNITS, DOTS = 72, 96  # points, and pixels of a PNG, in an inch
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
COLOUR = re.compile("|".join(NAMES))
LONG = re.compile(r"\d+\.\d{3,}")  # a number with more than two decimals
TEMPLATES = Path(__file__).parent / "templates"
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.5,
    "text.parse_math": False,  # a class may be called `$a$`
    "text.color": INK["ink"],
    "axes.facecolor": "none",
    "axes.labelcolor": INK["soft"],
    "axes.titlesize": 11.5,
    "axes.titlecolor": INK["ink"],
    "axes.titlelocation": "left",
    "axes.edgecolor": INK["rule"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.limits": (-4, 5),
    "grid.color": INK["rule"],
    "xtick.color": INK["soft"],
    "ytick.color": INK["soft"],
    "xtick.bottom": False,
    "ytick.left": False,
    "xtick.minor.bottom": False,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "figure.facecolor": INK["paper"],
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # letters stay letters: a page's text can be selected and searched
    "svg.hashsalt": "kit",  # the same figure is the same bytes
}


@contextmanager
def styled() -> Iterator[None]:
    """The kit's looks while a figure is made or written; afterwards matplotlib's settings are as they were."""
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # a browser has other fonts
        yield


def blank(title: str, size: tuple[float, float] = SIZE, **settings: Any) -> Figure:
    """An empty figure of so many points. `title` says what it shows; screen readers read it."""
    from matplotlib.figure import Figure

    figure = Figure((size[0] / UNITS, size[1] / UNITS), **settings)
    figure.set_label(title)
    return figure


def panel(title: str, across: str = "", up: str = "", size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure = blank(title, size)
    return figure, figure.add_subplot(xlabel=across, ylabel=up)


def tell(artist: Any, text: str) -> None:
    """What a page says where one points at this part of a figure."""
    artist.set_gid(f"tell:{templates.printable(text)}")


@styled()
def svg(figure: Figure, transparent: bool = True, style: str = "") -> str:
    """The figure as an `<svg>` element whose colours are variables of the page's style, or of `style`, its own.

    What it shows is named for screen readers; nothing in it refers to anything outside.
    """
    for artist in figure.findobj(lambda artist: artist.get_clip_on()):
        artist.set_clip_on(False)  # a clip is a reference by url(), which a page that asks for nothing does without
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=transparent, metadata=nothing)
    root = ElementTree.fromstring(buffer.getvalue())
    for element in root.iter():
        _adapt(element)
    for element in root.iter():
        _shorten(element)
    root.remove(root[0])  # matplotlib's own style, which would hold for the whole page
    for name in ("width", "height", "version"):
        del root.attrib[name]
    root.attrib |= {
        "xmlns": SVG,
        "xmlns:xlink": XLINK,
        "role": "img",
        "aria-label": templates.printable(str(figure.get_label())),
    }
    if style:
        root.insert(0, _element("style", style))
    return ElementTree.tostring(root, encoding="unicode")


def write_svg(path: Path, figure: Figure) -> None:
    """Write a file of its own, dark where its viewer is."""
    style = templates.render(TEMPLATES, "colours.css.j2", colours=COLOURS)
    files.write(path, svg(figure, transparent=False, style=style) + "\n")


@styled()
def write_png(path: Path, figure: Figure, dots: int = DOTS) -> None:
    """Write a light PNG of `dots` pixels an inch."""
    files.write(path, lambda file: figure.savefig(file, format="png", dpi=dots, metadata={"Software": None}))


def _adapt(element: ElementTree.Element) -> None:
    """Plain names, colours as variables, and a title where one points instead of matplotlib's names of parts."""
    element.tag = element.tag.rpartition("}")[2]
    target = element.attrib.pop(f"{{{XLINK}}}href", None)
    if target is not None:
        element.set("xlink:href", target)
    if "style" in element.attrib:
        element.set("style", COLOUR.sub(lambda match: f"var(--{NAMES[match[0]]})", element.attrib["style"]))
    if element.tag == "g":
        kind, _, text = element.attrib.pop("id", "").partition(":")
        if kind == "tell":
            element.insert(0, _element("title", text))


def _shorten(element: ElementTree.Element) -> None:
    """Hundredths of a point are enough, and dots that look alike say so once: half the bytes of a scatter."""
    for name in element.attrib.keys() & {"d", "x", "y"}:
        element.set(name, LONG.sub(lambda match: f"{float(match[0]):.2f}", element.attrib[name]))
    styles = {child.attrib.get("style", "") for child in element}
    if len(element) > 1 and len(styles) == 1 and all(child.tag.endswith("use") for child in element):
        for child in element:
            child.attrib.pop("style", None)
            child.tail = ""
        element.set("style", "; ".join(filter(None, [element.attrib.get("style", ""), *styles])))


def _element(name: str, text: str) -> ElementTree.Element:
    element = ElementTree.Element(name)
    element.text = text
    return element
