"""Figures: each written as SVG and as PNG, nothing over anything else, values where they are named, light and dark."""

import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from kit.reporting import canvas, confusion_matrix, contact_sheet, figures
from kit.reporting.figures import Line
from kit.reporting.standings import Standing, standings

SVG = "{http://www.w3.org/2000/svg}"
COUNTS = np.array([[9, 1, 0], [0, 12, 3], [2, 0, 30]])
NAMES = ["a", "$b^$", "a long <name> that is cut\x00"]
HALVES = np.linspace(0, 1, 9)
LINES = [Line([1, 2, 3], [0.5, 0.25, 0.125], name="training"), Line([1, 2, 3], [0.5, 0.26, 0.125], "two", name="validation")]
MARKED = [Line([1e-4, 1e-3, 1e-2], [2.0, 1.5, 1.0])]
MADE: dict[str, Callable[[], Figure]] = {
    "lines": lambda: figures.lines(LINES, "epoch", "loss"),
    "mark": lambda: figures.lines(
        MARKED, across="rate", title="t", up="loss", size=canvas.DESK, log=True, mark=(1e-3, "0.001")
    ),
    "strip": lambda: figures.strip([0.9, 0.95], ["fold 0", "fold 1"], 0.92, "accuracy", "scores"),
    "reliability": lambda: figures.reliability(HALVES, HALVES**2, np.full(9, 1 / 9), "calibration"),
    "scatter": lambda: figures.scatter(HALVES, HALVES**2, "predicted"),
    "agreement": lambda: figures.agreement(np.c_[HALVES, HALVES], np.c_[HALVES, HALVES**2], ("a", "b")),
    "standings": lambda: standings([Standing("fast", 0.9, 0.01, 0.89), Standing("best", 0.95, 0.01, 0.93)], "CV", "LB", "d"),
    "histogram": lambda: figures.histogram(HALVES, "value", "how often"),
    "matrix": lambda: confusion_matrix.matrix(COUNTS, NAMES, "confusion matrix"),
    "bars": lambda: figures.bars(["fold 0", "refit"], [(2.0, 1.0), (3.0, 0.0)], ["0:02", "0:03"], "times"),
}
DRAWN = {name: make() for name, make in MADE.items()}
every_figure = pytest.mark.parametrize("name", DRAWN)


def texts(figure: Figure) -> list[Text]:
    """What is written in a figure, once it is drawn; of ticks, those that the axes show."""
    FigureCanvasAgg(figure)
    with canvas.styled():
        figure.draw_without_rendering()
    hidden = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in beyond(axis)}
    written = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text for text in written if isinstance(text, Text) and text not in hidden]


def beyond(axis: Axis) -> list[Text]:
    """The labels of ticks that lie outside what the axis shows."""
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()] if not low <= tick.get_loc() <= high]
    return [label for tick in ticks for label in (tick.label1, tick.label2)]


def assert_apart(figure: Figure) -> None:
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert len(boxes) > 1
    for (a, box), (b, other) in itertools.combinations(boxes, 2):
        assert not box.padded(-1).overlaps(other.padded(-1)), (a, b)
    for text, box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text


@every_figure
def test_every_figure_is_an_svg_file_and_a_png(name: str) -> None:
    figure = DRAWN[name]
    canvas.write_svg(Path("a.svg"), figure)
    canvas.write_png(Path("a.png"), figure)
    root = ElementTree.parse("a.svg").getroot()
    assert root.get("role") == "img" and root.get("aria-label") == figure.get_label()
    assert {text.get_text() for text in texts(figure)} == {"".join(text.itertext()) for text in root.iter(f"{SVG}text")}
    with Image.open("a.png") as picture:
        width, height = figure.get_size_inches() * canvas.DOTS
        assert picture.size == (int(width), int(height))
        assert len(np.unique(np.asarray(picture).reshape(-1, 4), axis=0)) > 3


@every_figure
def test_no_words_cover_others_or_leave_the_figure(name: str) -> None:
    assert_apart(DRAWN[name])


@every_figure
def test_a_figure_is_the_same_bytes_each_time_and_refers_to_nothing_outside(name: str) -> None:
    text = canvas.svg(MADE[name]())
    assert text == canvas.svg(MADE[name]())
    assert "url(" not in text and "<script" not in text and "dc:date" not in text
    assert all(reference.startswith("#") for reference in re.findall(r'href="([^"]*)"', text))
    for path in (Path("a.png"), Path("b.png")):
        canvas.write_png(path, MADE[name]())
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@every_figure
def test_every_colour_follows_the_viewers_light_or_dark(name: str) -> None:
    styles = re.findall(r'style="([^"]*)"', canvas.svg(DRAWN[name]))
    colours = {colour for style in styles for colour in re.findall(r"(?:fill|stroke): ([^;]+)", style)}
    assert colours - {"none"} <= {f"var(--{colour})" for colour in canvas.COLOURS}
    canvas.write_svg(Path("a.svg"), DRAWN[name])
    style = next(ElementTree.parse("a.svg").getroot().iter(f"{SVG}style")).text or ""
    assert all(f"--{name}:{shade};" in style for name, shades in canvas.COLOURS.items() for shade in shades)
    assert "@media (prefers-color-scheme:dark)" in style


def luminance(colour: str) -> float:
    """The relative luminance of a colour (WCAG 2)."""
    channels = np.array(list(bytes.fromhex(colour[1:]))) / 255
    return float(
        np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    )


@pytest.mark.parametrize("shade", [0, 1])
@pytest.mark.parametrize(("name", "least"), [("ink", 7), ("soft", 4.5), *((tone, 3) for tone in canvas.TONES)])
def test_words_and_lines_stand_out_from_the_paper(name: str, least: float, shade: int) -> None:
    levels = sorted(luminance(canvas.COLOURS[colour][shade]) for colour in (name, "paper"))
    assert (levels[1] + 0.05) / (levels[0] + 0.05) >= least


@settings(max_examples=5)
@given(st.lists(st.floats(0.9, 1.0), min_size=2, max_size=12))
def test_lines_that_end_together_are_named_apart(ends: list[float]) -> None:
    series = [Line([1, 2], [2.0, end], name=f"fold {i}") for i, end in enumerate(ends)]
    assert_apart(figures.lines(series, "epoch", "loss", size=canvas.DESK))


@settings(max_examples=5)
@given(st.lists(st.tuples(st.floats(0.9, 0.91), st.floats(0.9, 0.91)), min_size=1, max_size=9))
def test_runs_that_score_alike_are_named_apart(scores: list[tuple[float, float]]) -> None:
    points = [Standing(f"fast-lr0.0{i}", x, 0.002, y) for i, (x, y) in enumerate(scores)]
    assert_apart(standings(points, "CV", "LB", "digits"))


@settings(max_examples=8)
@given(st.floats(1e-7, 1e3), st.floats(0.5, 9))
def test_a_logarithmic_axis_gives_ratios_the_same_room(low: float, decades: float) -> None:
    high = low * 10**decades
    figure = figures.lines([Line([low, high], [0, 1])], "rate", "loss", log=True)
    axes = figure.axes[0]
    middle, *ends = (axes.transData.transform((value, 0))[0] for value in (np.sqrt(low * high), low, high))
    assert middle == pytest.approx(sum(ends) / 2)
    words = [text.get_text().replace("−", "-") for text in axes.get_xticklabels()]
    assert all(f"{float(word):g}" == word for word in words) and len(words) >= 2


def ticks(figure: Figure) -> Sequence[float]:
    """Where values are written along x."""
    low, high = figure.axes[0].get_xlim()
    return [value for value in figure.axes[0].get_xticks() if low <= value <= high]


def test_there_is_no_epoch_between_two() -> None:
    assert list(ticks(figures.lines([Line([1, 2, 3], [1, 2, 3])], "epoch", "loss"))) == [1, 2, 3]
    assert any(value % 1 for value in ticks(figures.lines([Line([1, 2, 2.5], [1, 2, 3])], "share", "loss")))


def told(figure: Figure) -> list[str]:
    """What a page says where one points at the parts of a figure."""
    return [title.text or "" for title in ElementTree.fromstring(canvas.svg(figure)).iter(f"{SVG}title")]


def test_a_matrix_tells_every_count() -> None:
    words = told(DRAWN["matrix"])
    assert "$b^$ predicted as a long <name> that is cut: 3" in words and len(words) == COUNTS.size


def test_dots_tell_their_fold_and_their_bin() -> None:
    assert told(DRAWN["strip"]) == ["fold 0: 0.90000", "fold 1: 0.95000"]
    assert told(DRAWN["reliability"])[2] == "predicted 0.250, observed 0.062, 11.1% of the rows"


def test_a_scatter_has_its_dots_where_its_axes_say_they_are() -> None:
    (_, dots) = DRAWN["scatter"].axes[0].lines
    assert (dots.get_xydata() == np.c_[HALVES, HALVES**2]).all()


def test_a_histogram_counts_every_row_once() -> None:
    heights = [bar.get_height() for bar in DRAWN["histogram"].axes[0].patches]  # type: ignore[attr-defined]
    assert sum(heights) == len(HALVES)


def test_a_sheet_shows_pictures_to_the_pixel_above_captions_that_fit() -> None:
    pictures = [np.full((8, 8, 3), shade, np.uint8) for shade in (0, 120, 255)]
    figure = contact_sheet.captioned(pictures, ["short", "a caption that is far too long for its picture", "$x^$"])
    contact_sheet.write(Path("sheet.png"), figure)
    with Image.open("sheet.png") as image:
        pixels = np.asarray(image)[..., :3]
    assert pixels.shape[:2] == (10 + 132 + 28, 10 + 3 * 142)
    for i, picture in enumerate(pictures):
        assert (pixels[10:142, 10 + 142 * i : 142 + 142 * i] == picture[0, 0]).all()
    assert (pixels[:10] == [238, 238, 234]).all()
    words = [text.get_text() for text in figure.texts]
    assert words[0] == "short" and words[1].endswith("…") and words[2] == "$x^$"
    assert all(text.get_window_extent().width <= 132 for text in figure.texts)


def test_figures_leave_matplotlib_s_settings_alone() -> None:
    before = {name: matplotlib.rcParams[name] for name in canvas.STYLE}
    canvas.svg(figures.histogram(HALVES, "value", "how often"))
    assert {name: matplotlib.rcParams[name] for name in canvas.STYLE} == before != canvas.STYLE


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = "import sys, kit.pipeline.run, kit.reporting.report.page, kit.reporting.notebook; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "False\n"
