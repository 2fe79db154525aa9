"""The example notebooks: valid, small, executed without an error, and stated by public names alone."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import kit
from kit.competition import load
from kit.kaggle import kernel

ROOT = Path(__file__).parent.parent
BOOKS = sorted((ROOT / "kernels").glob("*/*.ipynb"))
CELLS = {"markdown": {"cell_type", "id", "metadata", "source"}}
CELLS["code"] = CELLS["markdown"] | {"execution_count", "outputs"}
OUTPUTS = ("stream", "execute_result", "display_data")
LARGEST = 200_000
every_book = pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code(path: Path) -> list[str]:
    """The source of each code cell."""
    return ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "code"]


def test_each_third_of_the_work_and_an_own_model_has_a_notebook() -> None:
    assert {path.stem for path in BOOKS} == {"imdb", "quadratic", "mnist", "own-model"}


@every_book
def test_a_notebook_is_valid_short_and_small(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"], set(book)) == (4, 5, {"cells", "metadata", "nbformat", "nbformat_minor"})
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert all(set(cell) == CELLS[cell["cell_type"]] for cell in book["cells"])
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"]) <= 14
    assert book["cells"][0]["cell_type"] == "markdown" and path.stat().st_size < LARGEST


@every_book
def test_a_notebook_was_executed_from_top_to_bottom_on_no_machine_s_paths(path: Path) -> None:
    run = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in run] == list(range(1, len(run) + 1))
    outputs = [output for cell in run for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= set(OUTPUTS)
    text = path.read_text(encoding="utf-8")
    assert not [place for place in ("/work", "/home/", "/root", "/tmp", "/usr", "/opt", "C:\\", "Warning") if place in text]
    assert "faults: []" in text


@every_book
def test_a_notebook_uses_public_names_and_ends_in_a_checked_submission(path: Path) -> None:
    trees = [ast.parse(text) for text in code(path)]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "kit"}
    assert used and used <= set(kit.__all__)
    own = [
        node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("kit", "competitions"))
    ]
    assert [node.module for node in own] in ([], [f"competitions.{path.stem}"])
    assert all([alias.name for alias in node.names] == ["competition"] for node in own)
    assert not [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names if "kit." in alias.name]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)} - {"__init__"}
    assert not [name for name in names if name.startswith("_")]
    assert '"submission.csv")' in code(path)[-1] and "kit.validate(" in code(path)[-1]


@every_book
def test_a_notebook_can_be_pushed_with_the_kit_in_it(path: Path) -> None:
    facts = json.loads((path.parent / kernel.METADATA).read_text(encoding="utf-8"))
    name = next(name for name in ("imdb", "quadratic", "mnist") if load(name).competition.slug in facts["competition_sources"])
    built = kernel.build(name, notebook=path)
    assert built.metadata["title"] == facts["title"] and built.metadata["kernel_type"] == "notebook"
    assert [text for text in code(built.code) if "SETTINGS" not in text] == code(path)
    assert f"kit kernel build {name} --code-file {path.relative_to(ROOT).as_posix()}" in "".join(cells(path)[0]["source"])
