"""Kernel source: the code file of a kernel, which holds the kit's source; as a script or as a notebook."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import pprint
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit import competition as competitions
from kit.errors import BadData, Usage
from kit.storage import environment

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 1_000_000  # bytes of a code file
BRINGING = 3  # cells of the template that bring the kit and find the data; those behind them train and show
STAMP = (1980, 1, 1, 0, 0, 0)  # of every packed file: the same source gives the same kernel


def packed(adapter: competitions.Adapter) -> tuple[bytes, int]:
    """The kit's source and every adapter in a compressed zip, the same bytes for the same source; and how many files."""
    source = [path for pattern in ("*.py", "*.j2") for path in (ROOT / "kit").rglob(pattern)]
    named = {path.relative_to(ROOT).as_posix(): path for path in source}
    for path in [*competitions.names().values(), Path(adapter.source)]:
        if path.suffix == ".py":
            named[f"competitions/{path.name}"] = path
    if (ROOT / "LICENSE").exists():
        named["LICENSE"] = ROOT / "LICENSE"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored, and compressed as a whole: two thirds of the size
        for name in sorted(named):
            archive.writestr(zipfile.ZipInfo(name, STAMP), named[name].read_bytes())
    return zlib.compress(buffer.getvalue(), 9), len(named)


def code(facts: Mapping[str, Any], settings: Mapping[str, Any], source: tuple[bytes, int]) -> str:
    """The template, filled in."""
    data, count = source
    verb = "Trains" if settings["mode"] == "train" else f"Predicts by the checkpoints of {Path(settings['run']).name}"
    shown = {key: value for key, value in settings.items() if key != "run"}  # a folder of this machine
    values = {
        "title": facts["title"],
        "what": f"{verb} on the files of {facts['competition_sources'][0]} and writes submission.csv.",
        "name": settings["name"],
        "version": environment.version("kaggle-baseline-kit") or "",
        "commit": settings["commit"],
        "count": str(count),
        "checksum": hashlib.sha256(data).hexdigest(),
        "script": facts["code_file"],
        "settings": pprint.pformat(shown, sort_dicts=False, width=120),
        "packed": "\n".join(re.findall(".{1,120}", base64.b85encode(data).decode())),
    }
    text = (ROOT / "kernels" / "template.py").read_text(encoding="utf-8")
    text = re.sub(r"{{(\w+)}}", lambda match: values[match[1]], text)
    if len(text) > LARGEST:
        raise BadData(f"the code file would have {len(text):,} bytes; Kaggle takes {LARGEST:,}.")
    return text


def notebook(text: str) -> str:
    """The cells between the `# %%` of a script, as a notebook."""
    cells: list[dict[str, Any]] = []
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        body = body.strip("\n")
        if "[markdown]" in head:
            lines = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
            cells.append({"cell_type": "markdown", "metadata": {}, "source": lines})
        else:
            cells.append({"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": body})
    return _book(cells)


def around(text: str, own: Path) -> str:
    """A notebook of one's own, behind the cells of the script that bring the kit; without its outputs.

    Its first cell stays the first where it is words. Raises Usage for a file that is no notebook.
    """
    bringing = json.loads(notebook(text))["cells"][:BRINGING]
    cells = [_clean(cell) for cell in own_cells(own)]
    for cell in bringing[1:]:
        cell["metadata"] = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}}
    titled = int(bool(cells) and cells[0]["cell_type"] == "markdown")
    return _book([*cells[:titled], *bringing, *cells[titled:]])


def own_cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook's file. Raises Usage where it is none."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if not all(isinstance(cell["cell_type"], str) and isinstance("".join(cell["source"]), str) for cell in cells):
            raise TypeError("a cell's source is not text")
    except OSError as fault:
        raise Usage(f"--code-file {path}: cannot be read ({fault.strerror or fault}).") from fault
    except (ValueError, KeyError, TypeError) as fault:
        raise Usage(f"--code-file {path}: not a notebook as Jupyter writes it ({type(fault).__name__}: {fault}).") from fault
    return cells


def _clean(cell: Mapping[str, Any]) -> dict[str, Any]:
    """A cell without what its execution left."""
    kept = {"cell_type": cell["cell_type"], "metadata": {}, "source": "".join(cell["source"])}
    return kept | ({"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {})


def _book(cells: list[dict[str, Any]]) -> str:
    """A notebook's file, of these cells."""
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    for number, cell in enumerate(cells):
        cell["id"] = f"cell{number}"
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
