"""Markup: HTML and SVG as text in which whatever is not markup already is escaped, so that no review can run as a script."""

from __future__ import annotations

from html import escape

EMPTY = frozenset({"meta", "link", "img"})  # without an end; in HTML an SVG shape must have one


class Markup(str):
    """Text that may stand in a page as it is. Only `element` and `join` make it."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """`<name …>children</name>`. `class_` and `stroke_width` stand for `class` and `stroke-width`; None is left out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>" if name in EMPTY else f"<{name}{said}>{join(children)}</{name}>")


def join(parts: object) -> Markup:
    """Markup and text, nested in lists or not, one after another; None is nothing."""
    if isinstance(parts, Markup):
        return parts
    if isinstance(parts, list | tuple):
        return Markup("".join(join(part) for part in parts))
    return Markup("" if parts is None else escape(_plain(parts)))


def _plain(value: object) -> str:
    """Text as it is, without the characters that no HTML may hold; numbers in as few digits as a drawing needs."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return "".join(c for c in str(value) if c.isprintable() or c in "\n\t ").encode("utf-8", "replace").decode()
