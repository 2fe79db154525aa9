"""Charts: each drawn as SVG and as PNG, nothing written over anything else, values where the axes say they are."""

import itertools
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from kit.reporting import axes, drawing, figures
from kit.reporting.drawing import Box, Drawing, Words
from kit.reporting.figures import LETTER, Line, Standing

COUNTS = np.array([[9, 1, 0], [0, 12, 3], [2, 0, 30]])
HALVES = np.linspace(0, 1, 9)
DRAWN = {
    "lines": figures.lines([Line([1, 2, 3], [0.5, 0.25, 0.125], name="train")], "epoch", "loss"),
    "mark": figures.lines([Line([1e-4, 1e-2], [2.0, 1.0])], "rate", "t", "loss", figures.DESK, log=True, mark=(1e-3, "0.001")),
    "strip": figures.strip([0.9, 0.95], ["fold 0", "fold 1"], 0.92, "accuracy", "scores"),
    "reliability": figures.reliability(HALVES, HALVES**2, np.full(9, 1 / 9), "calibration"),
    "scatter": figures.scatter(HALVES, HALVES**2, "predicted"),
    "agreement": figures.agreement(np.c_[HALVES, HALVES], np.c_[HALVES, HALVES**2], ("a", "b")),
    "standings": figures.standings([Standing("fast", 0.9, 0.01, 0.89), Standing("best", 0.95, 0.01, 0.93)], "CV", "LB", "d"),
    "histogram": figures.histogram(HALVES, "value", "how often"),
    "matrix": figures.matrix(COUNTS, ["a", "b", "a long name that is cut"], "confusion matrix"),
    "bars": figures.bars(["fold 0", "refit"], [(2.0, 1.0), (3.0, 0.0)], ["0:02", "0:03"], "times"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_every_chart_is_an_svg_file_and_a_png(name: str) -> None:
    drawn = DRAWN[name]
    drawing.write_svg(Path("a.svg"), drawn)
    drawing.write_png(Path("a.png"), drawn, zoom=1)
    root = ElementTree.parse("a.svg").getroot()
    written = {one.text for one in root.iter("{http://www.w3.org/2000/svg}text")}
    assert written == {one.text for one in drawn.shapes if isinstance(one, Words)} | {drawn.title}
    with Image.open("a.png") as picture:
        assert picture.size == (int(drawn.width), int(drawn.height + drawing.HEAD))
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 3


def spots(drawn: Drawing) -> list[tuple[float, float, float, float]]:
    """Where the words stand that are not turned: left, top, right, base."""
    found = []
    for one in drawn.shapes:
        if isinstance(one, Words) and not one.turned:
            wide = LETTER * len(one.text)
            left = one.at[0] - {"start": 0, "middle": 0.5, "end": 1}[one.anchor] * wide
            found.append((left, one.at[1] - 9, left + wide, one.at[1]))
    return found


def assert_apart(drawn: Drawing) -> None:
    for a, b in itertools.combinations(spots(drawn), 2):
        assert not figures._meet(a, b)


@pytest.mark.parametrize("name", DRAWN)
def test_no_words_cover_others(name: str) -> None:
    assert_apart(DRAWN[name])


@given(st.lists(st.floats(0.9, 1.0), min_size=2, max_size=12))
def test_lines_that_end_together_are_named_apart(ends: list[float]) -> None:
    series = [Line([1, 2], [2.0, end], name=f"fold {i}") for i, end in enumerate(ends)]
    drawn = figures.lines(series, "epoch", "loss", size=figures.DESK)
    assert_apart(drawn)
    assert all(base <= drawn.height and right <= drawn.width + 6 for _, _, right, base in spots(drawn))


@given(st.lists(st.tuples(st.floats(0.9, 0.91), st.floats(0.9, 0.91)), min_size=1, max_size=9))
def test_runs_that_score_alike_are_named_apart(scores: list[tuple[float, float]]) -> None:
    points = [Standing(f"fast-lr0.0{i}", x, 0.002, y) for i, (x, y) in enumerate(scores)]
    assert_apart(figures.standings(points, "CV", "LB", "digits"))


@given(st.floats(1e-7, 1e3), st.floats(0.1, 9))
def test_a_logarithmic_axis_gives_ratios_the_same_room(low: float, decades: float) -> None:
    high = low * 10**decades
    frame = axes.Frame((low, high), (0, 1), log=True)
    middle, *ends = (frame.at(value, 0)[0] for value in (np.sqrt(low * high), low, high))
    assert middle == pytest.approx(sum(ends) / 2)
    found = axes.powers(low, high)
    assert len(found) <= 10 and all(low * 0.99 <= one <= high * 1.01 for one in found)


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (0.25, "0.25"), (-20, "-20"), (1e-5, "1e-5"), (2.5e-4, "2.5e-4"), (3e6, "3e6")]
)
def test_a_tick_is_short(value: float, said: str) -> None:
    assert axes.short(value) == said


def test_a_matrix_tells_every_count() -> None:
    told = [one.told for one in DRAWN["matrix"].shapes if isinstance(one, Box)]
    assert "b answered as a long name that is cut: 3" in told and len(told) == COUNTS.size
