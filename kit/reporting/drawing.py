"""Drawing: shapes that know no format, as SVG for a page, as a file of its own, or as a PNG without a plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kit.reporting.html_markup import Markup, element
from kit.storage import files

Place = tuple[float, float]  # units from the left and from the top

COLOURS = {  # light, dark
    "paper": ("#ffffff", "#1b1e23"),
    "ink": ("#20242a", "#e6e8ea"),
    "soft": ("#656d78", "#9aa2ad"),
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
LETTERS, HEAD = 11.0, 24.0  # the height of letters, and of the line above a drawing that stands alone
FINE = 2  # a PNG is drawn so much larger and made smaller: smooth edges
LIGHT, DARK = (";".join(f"--{name}:{one[i]}" for name, one in COLOURS.items()) for i in (0, 1))
CSS = f"""
:root{{color-scheme:light dark;{LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{DARK}}}}}
svg{{display:block;width:100%;height:auto;overflow:visible;font:{LETTERS:g}px system-ui,"DejaVu Sans",sans-serif}}
.stroke{{fill:none;stroke-linejoin:round}}.cloud{{fill:none;stroke-linecap:round}}
""" + "\n".join(
    f".{name}{{fill:var(--{name})}}.stroke.{name},.cloud.{name}{{fill:none;stroke:var(--{name})}}" for name in COLOURS
)


@dataclass(frozen=True)
class Stroke:
    """A line through places."""

    places: Sequence[Place]
    colour: str = "one"
    width: float = 2.0
    opacity: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A filled circle. `told` (here and below) is what a page says where one points at it."""

    at: Place
    radius: float
    colour: str = "one"
    opacity: float = 0.75
    told: str = ""


@dataclass(frozen=True)
class Cloud:
    """Many small dots that shine through."""

    places: Sequence[Place]
    colour: str = "one"
    opacity: float = 0.35


@dataclass(frozen=True)
class Box:
    """A filled rectangle: its left upper corner, width and height."""

    at: Place
    width: float
    height: float
    colour: str = "one"
    opacity: float = 1.0
    told: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text. `at`: where its base line begins, has its middle or its end; `turned`: read upwards."""

    text: str
    at: Place
    anchor: str = "start"
    colour: str = "soft"
    size: float = LETTERS
    turned: bool = False


Shape = Stroke | Dot | Cloud | Box | Words
SPECK = 2.0  # radius of a cloud's dots


@dataclass(frozen=True)
class Drawing:
    """Shapes in a room of `width` by `height` units; one that stands alone has its title above."""

    width: float
    height: float
    title: str
    shapes: Sequence[Shape]


def moved(shape: Any, right: float, down: float) -> Any:
    """The shape somewhere else."""
    if isinstance(shape, Stroke | Cloud):
        return replace(shape, places=[(x + right, y + down) for x, y in shape.places])
    return replace(shape, at=(shape.at[0] + right, shape.at[1] + down))


def titled(drawing: Drawing) -> Drawing:
    """The drawing on paper, with its title written above."""
    paper = Box((0, 0), drawing.width, drawing.height + HEAD, "paper")
    name = Words(drawing.title, (8, 18), colour="ink", size=13)
    shapes = [paper, name, *(moved(one, 0, HEAD) for one in drawing.shapes)]
    return replace(drawing, height=drawing.height + HEAD, shapes=shapes)


def beside(drawings: Sequence[Drawing], title: str) -> Drawing:
    """Drawings from left to right as one, each with its own title above."""
    shapes: list[Shape] = []
    left = 0.0
    for one in map(titled, drawings):
        shapes += [moved(shape, left, 0) for shape in one.shapes]
        left += one.width
    return Drawing(left, max(one.height for one in drawings) + HEAD, title, shapes)


def svg(drawing: Drawing, **attributes: object) -> Markup:
    """For a page that has CSS in its style."""
    box = f"0 0 {drawing.width:.0f} {drawing.height:.0f}"
    return element("svg", *map(_element, drawing.shapes), viewBox=box, role="img", aria_label=drawing.title, **attributes)


def write_svg(path: Path, drawing: Drawing) -> None:
    """Write a file of its own, dark where the viewer is."""
    whole = titled(drawing)
    style = element("style", Markup(CSS))
    shapes = [style, *map(_element, whole.shapes)]
    box = f"0 0 {whole.width:.0f} {whole.height:.0f}"
    files.write(path, element("svg", *shapes, xmlns="http://www.w3.org/2000/svg", viewBox=box) + "\n")


def _element(shape: Shape) -> Markup:
    told = element("title", shape.told) if isinstance(shape, Dot | Box) and shape.told else None
    if isinstance(shape, Stroke):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.places)
        opacity, dashes = None if shape.opacity == 1 else shape.opacity, "3 4" if shape.dashed else None
        more = {"stroke_width": shape.width, "opacity": opacity, "stroke_dasharray": dashes}
        return element("polyline", class_=f"stroke {shape.colour}", points=points, **more)
    if isinstance(shape, Cloud):
        path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in shape.places)
        return element("path", class_=f"cloud {shape.colour}", d=path, stroke_width=2 * SPECK, stroke_opacity=shape.opacity)
    if isinstance(shape, Dot):
        x, y = shape.at
        return element("circle", told, class_=shape.colour, cx=x, cy=y, r=shape.radius, fill_opacity=shape.opacity)
    x, y = shape.at
    if isinstance(shape, Box):
        opacity = None if shape.opacity == 1 else shape.opacity
        sides = {"width": shape.width, "height": shape.height}
        return element("rect", told, class_=shape.colour, x=x, y=y, rx=2 if told else None, fill_opacity=opacity, **sides)
    where: dict[str, object] = {"transform": f"translate({x:.1f} {y:.1f}) rotate(-90)"} if shape.turned else {"x": x, "y": y}
    anchor, size = None if shape.anchor == "start" else shape.anchor, None if shape.size == LETTERS else shape.size
    return element("text", shape.text, class_=shape.colour, text_anchor=anchor, font_size=size, **where)


def write_png(path: Path, drawing: Drawing, zoom: float = 4 / 3) -> None:
    """Write a light PNG, `zoom` pixels a unit."""
    from PIL import Image, ImageDraw

    whole = titled(drawing)
    scale = zoom * FINE
    canvas = Image.new("RGB", (round(whole.width * scale), round(whole.height * scale)), COLOURS["paper"][0])
    pen = ImageDraw.Draw(canvas, "RGBA")  # what is drawn shines through
    for shape in whole.shapes:
        if isinstance(shape, Words):
            _write(canvas, shape, scale)
        else:
            _paint(pen, shape, scale)
    smooth = canvas.resize((canvas.width // FINE, canvas.height // FINE))
    files.write(path, lambda file: smooth.save(file, format="PNG"))


def _paint(pen: Any, shape: Stroke | Dot | Cloud | Box, scale: float) -> None:
    ink = (*bytes.fromhex(COLOURS[shape.colour][0][1:]), round(255 * shape.opacity))
    if isinstance(shape, Stroke):
        places = [(x * scale, y * scale) for x, y in shape.places]
        pen.line(places, ink, max(1, round(shape.width * scale)), joint="curve")
    elif isinstance(shape, Box):
        (x, y), right, base = shape.at, shape.at[0] + shape.width, shape.at[1] + shape.height
        pen.rectangle((x * scale, y * scale, right * scale, base * scale), ink)
    else:
        radius = SPECK if isinstance(shape, Cloud) else shape.radius
        for x, y in shape.places if isinstance(shape, Cloud) else [shape.at]:
            pen.circle((x * scale, y * scale), radius * scale, ink)


def _write(canvas: Any, words: Words, scale: float) -> None:
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(words.size * scale)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[words.anchor]
    (x, y), ink = words.at, COLOURS[words.colour][0]
    if not words.turned:
        ImageDraw.Draw(canvas).text((x * scale, y * scale), words.text, ink, font, anchor)
        return
    side = round(max(font.getlength(words.text), 2 * words.size * scale)) * 2
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).text((side / 2, side / 2), words.text, 255, font, anchor)
    canvas.paste(ink, (round(x * scale) - side // 2, round(y * scale) - side // 2), mask.rotate(90))
