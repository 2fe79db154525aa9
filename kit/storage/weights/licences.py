"""Licences: under which terms weights come, as a model card, a licence file or a package's metadata says."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

CARDS = ("README.md", "model_card.md")
FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING")
# Titles as licences write them, first match counts; a longer title before the one that it contains.
TITLES = {
    r"apache (software )?license": "Apache-2.0",
    r"attribution-noncommercial-sharealike": "CC-BY-NC-SA",
    r"attribution-noncommercial-noderiv": "CC-BY-NC-ND",
    r"attribution-noncommercial": "CC-BY-NC",
    r"attribution-sharealike": "CC-BY-SA",
    r"attribution 4\.0 international": "CC-BY-4.0",
    r"\bmit license": "MIT",
    r"\bbsd\b|redistribution and use in source and binary": "BSD",
    r"gnu affero": "AGPL",
    r"gnu lesser": "LGPL",
    r"gnu general": "GPL",
}
TITLE = 400  # characters of a licence that hold its title: the text of a free one may speak of other uses
NOT_FOR_SALE = re.compile(r"non[-\s]?commercial|\bnc\b|research[-\s]only|research purposes", re.IGNORECASE)
FORBIDDEN = "--weights: the licence {licence} forbids commercial use, also of a model that is made from them"


def of(folder: Path, package: str = "") -> str:
    """The licence of weights in a folder, of an installed package where it is named; empty where nothing says it.

    The model's own card comes before the package's metadata: who packs weights often states the licence of the packing.
    """
    return card(folder) or _file([folder / name for name in FILES]) or (_package(package) if package else "")


def forbids_commerce(licence: str) -> bool:
    """Does a licence forbid commercial use, as far as its name tells?"""
    return bool(NOT_FOR_SALE.search(licence))


def card(folder: Path) -> str:
    """`license: …` in the head (YAML) of a model card; a licence of its own has its name beside."""
    for name in CARDS:
        head = _head(folder / name, 20_000)
        if head.startswith("---"):
            stated = dict(re.findall(r"^(license|license_name):[ \t]*[\"']?([^\"'\n]+)", head.split("\n---")[0], re.MULTILINE))
            if stated:
                return (stated.get("license_name") or stated["license"]).strip()
    return ""


def _file(paths: list[Path]) -> str:
    """The licence that a file's title names; of an unknown one the first line."""
    for path in paths:
        head = _head(path, TITLE)
        if head.strip():
            known = next((name for title, name in TITLES.items() if re.search(title, head, re.IGNORECASE)), "")
            return known or head.strip().splitlines()[0].strip(" #")[:60]
    return ""


def _package(name: str) -> str:
    """Of an installed package: the expression, the field or the classifier of its metadata, else its licence file."""
    found = metadata.distribution(name)
    about = found.metadata
    stated = [one for field in ("License-Expression", "License") for one in about.get_all(field) or []]
    stated += [one.split("::")[-1].strip() for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    known = [one for one in stated if one and one.upper() != "UNKNOWN"]
    if known:
        return known[0].splitlines()[0][:60]
    files = [one for one in found.files or [] if one.name in FILES and ".dist-info" in str(one)]
    return _file([Path(str(found.locate_file(one))) for one in files])


def _head(path: Path, most: int) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(most)
    except OSError:
        return ""
