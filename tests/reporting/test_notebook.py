"""Show: what a kernel's notebook tells of a run, and that a picture that can't be drawn costs no submission."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kit
from kit import competition
from kit.labels import Columns, Numbers
from kit.reporting import canvas, contact_sheet, notebook


def size_of(path: str) -> tuple[int, int]:
    """A picture's width and height."""
    with Image.open(path) as image:
        return image.size


def test_the_table_names_no_folder(small_run: kit.Run, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.table(small_run)
    said = capsys.readouterr().out
    assert f"out-of-fold accuracy  {small_run.scores['oof']:.5f}" in said and str(small_run.path.parent) not in said


def test_curves_and_pictures_are_drawn(small_run: kit.Run, digits: Path) -> None:
    notebook.curves(small_run, Path("curves.png"))
    notebook.pictures(small_run, digits, small_run.test, Path("pictures.png"))
    assert size_of("curves.png") == (960, 720)
    assert size_of("pictures.png") == (10 + 6 * 142, 10 + 3 * (132 + 28))


def test_what_cannot_be_drawn_is_said_and_no_more(small_run: kit.Run, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.pictures(small_run, digits, small_run.test.iloc[:3], Path("pictures.png"))
    assert "pictures not shown (KeyError" in capsys.readouterr().err


def test_answers_are_short_and_named_where_they_are_a_few() -> None:
    numbers = Numbers(("a", "b"), whole=True).decode(np.array([[2.2, -3.4]], "float32"), ["a", "b"])
    assert notebook._caption({name: values[0] for name, values in numbers.items()}) == "a 2  b -3"
    shares = Columns(("x",)).decode(np.array([[0.00012345]], "float32"), ["x"])
    assert notebook._caption({name: values[0] for name, values in shares.items()}) == "0.000123"


@pytest.mark.parametrize(("shape", "size"), [((100, 300, 1), (10 + 3 * 310, 10 + 2 * (100 + 28))), ((8, 8, 3), (862, 170))])
def test_wide_pictures_are_three_in_a_row(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    figure = contact_sheet.captioned([np.zeros(shape, np.uint8)] * 6, ["one"] * 6)
    assert tuple((figure.get_size_inches() * canvas.UNITS).round()) == size


def test_a_table_s_rows_are_shown_by_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = competition.load("rowsum").competition
    facts.embedded(tmp_path)
    run = kit.run("rowsum", tmp_path, out="run", quiet=True, model="mlp", epochs=1, folds=2, limit=200)
    capsys.readouterr()
    notebook.pictures(run, tmp_path, run.test, Path("pictures.png"))
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split()[0] == run.test.index[0] and len(said.out.splitlines()) == 1 + notebook.MANY, (
        said.err
    )
