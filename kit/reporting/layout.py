"""Layout: the looks of an HTML page that asks the network for nothing and runs no script, and the boxes it is made of."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np

from kit.reporting import drawing
from kit.reporting.axes import SIZE
from kit.reporting.drawing import Drawing
from kit.reporting.html_markup import Markup, element, join

SIDE = 176  # pixels of the longer side of an embedded photograph
SMALL = 64  # pixels of a picture that is shown in blocks
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the browser itself refuses scripts and requests

STYLE = """
:root{--ground:#f6f6f3}
@media (prefers-color-scheme:dark){:root{--ground:#131519}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 16px 64px}
h1{font-size:1.5rem;line-height:1.25;margin:0;overflow-wrap:anywhere}h2{font-size:1.08rem;margin:0 0 2px}
p{margin:0 0 10px}.said,figcaption{color:var(--soft);font-size:.87rem}
header{margin-bottom:20px}
section{background:var(--paper);border:1px solid var(--rule);border-radius:10px;padding:18px 18px 14px;margin:14px 0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:14px 24px;align-items:start}
.charts .wide{grid-column:1/-1}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:10px;margin:14px 0}
.tile{background:var(--paper);border:1px solid var(--rule);border-radius:10px;padding:10px 14px}
.tile b{display:block;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums}
.tile.main{border-color:var(--one)}
figure{margin:0}figcaption{margin:2px 0 4px}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{border-collapse:collapse;font-size:.87rem;font-variant-numeric:tabular-nums;min-width:100%}
th,td{padding:4px 14px 4px 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;vertical-align:top}
th:last-child,td:last-child{padding-right:0}
th:first-child,td:first-child,.words th,.words td{text-align:left}th{color:var(--soft);font-weight:500}
.words td{white-space:normal;overflow-wrap:anywhere}.words td:first-child{white-space:nowrap}
.rows{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,150px),1fr));gap:16px}
.rows.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr))}
.row img{display:block;width:100%;max-width:176px;border-radius:6px;border:1px solid var(--rule);margin-bottom:6px}
.rows.wide .row img{max-width:300px}
.row img.small{image-rendering:pixelated}.row{font-size:.87rem;overflow-wrap:anywhere}
.row blockquote{margin:0 0 6px;padding-left:10px;border-left:3px solid var(--rule)}
details{margin-top:8px}summary{cursor:pointer;color:var(--soft);font-size:.87rem}
@media (max-width:560px){section{padding:14px 12px 12px}th,td{padding-right:9px}}
"""


def document(name: str, *parts: object) -> Markup:
    """The whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("link", rel="icon", href="data:,"),
        element("title", f"{name} – report"),
        element("style", Markup(drawing.CSS + STYLE)),
    )
    return Markup("<!doctype html>\n" + element("html", head, element("body", element("main", *parts)), lang="en"))


def header(name: str, about: str, said: str = "") -> Markup:
    """What this is, and what is not there yet."""
    return element("header", element("h1", name), element("p", about, class_="said"), element("p", said) if said else None)


def tiles(figures: Sequence[tuple[str, str, str]]) -> Markup:
    """The figures to remember: name, value and what to say besides; the first is the one that counts."""
    each = [
        [element("span", name, class_="said"), element("b", value), element("span", more, class_="said")]
        for name, value, more in figures
    ]
    return element(
        "div", *(element("div", one, class_="tile" if i else "tile main") for i, one in enumerate(each)), class_="tiles"
    )


def section(title: str, said: str, *content: object) -> Markup:
    """A box with a title and a line about what it shows."""
    return element("section", element("h2", title), element("p", said, class_="said") if said else None, join(list(content)))


def figures(*shown: tuple[str, Drawing | Markup | None]) -> Markup:
    """Drawings (or tables) with their captions, side by side where there is room."""
    return element("div", *(_figure(caption, one) for caption, one in shown if one is not None), class_="charts")


def _figure(caption: str, shown: Drawing | Markup) -> Markup:
    """A drawing is as wide as its column, one of many units has the row to itself."""
    wide = None
    if isinstance(shown, Drawing):
        wide = "wide" if shown.width > 1.2 * SIZE[0] else None
        most = f"max-width:{shown.width * (1 if shown.width == shown.height else 1.4):.0f}px"
        shown = drawing.svg(shown, style=most)
    return element("figure", element("figcaption", caption) if caption else None, shown, class_=wide)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], kind: str | None = None) -> Markup:
    """A table that scrolls by itself where the screen is narrow. `kind`: `words` where cells are no figures."""
    head = element("tr", *(element("th", cell) for cell in header))
    body = [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", body), class_=kind), class_="scroll")


def folded(title: str, content: Markup) -> Markup:
    """What is shown on demand."""
    return element("details", element("summary", title), content)


def picture(pixels: np.ndarray, alt: str) -> Markup:
    """A picture uint8 [h, w, c] inside the page: PNG where it is small, else a JPEG of SIDE pixels."""
    from PIL import Image

    image, buffer = Image.fromarray(pixels.squeeze()), io.BytesIO()
    small = max(image.size) <= SMALL
    if small:
        image.save(buffer, "PNG", optimize=True)
    else:
        image.thumbnail((SIDE, SIDE))
        image.save(buffer, "JPEG", quality=82)
    source = f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return element("img", src=source, alt=alt, class_="small" if small else None)
