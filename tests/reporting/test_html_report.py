"""The report page: escaped, self-contained, true to the run's files, and whole where the data is gone."""

import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from jinja2 import UndefinedError

import kit
from kit import competition
from kit.cli.app import main
from kit.inference.blend import blend
from kit.reporting import canvas, confusion_matrix
from kit.reporting.report import findings, page, worst_rows
from kit.storage import templates

NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"
NUMBERS = """\
\"\"\"Squares: the mean of a picture's pixels, and its half.\"\"\"
from kit.competition import Competition
from kit.config import Config
from kit.inputs import Pixels
from kit.labels import Numbers
from kit.metrics import mcrmse

competition = Competition("squares", "id", Pixels(8), Numbers(("whole", "half")), mcrmse)
presets = {"fast": Config(width=4, epochs=2, folds=2, batch=16)}
"""


class Seen(HTMLParser):
    """What a browser would make of a page: elements, what they would fetch, words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.referred: list[str] = []
        self.handlers: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        places = [value or "" for name, value in attrs if name in ("src", "href")]
        (self.links if tag == "a" else self.fetched).extend(places)
        self.referred += [value or "" for name, value in attrs if name == "xlink:href"]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def seen(path: Path) -> Seen:
    """The page, after it was seen to be small and to ask for nothing."""
    text = path.read_text(encoding="utf-8")
    found = Seen(text)
    assert found.open == [] and found.handlers == [] and len(text) < 2 << 20
    assert "script" not in found.elements and all(one.startswith("data:") for one in found.fetched)
    assert all(reference.startswith("#") for reference in found.referred)
    assert all((path.parent / link.partition("#")[0]).exists() for link in found.links)  # pages of the documentation
    assert "url(" not in text and "@import" not in text and "Content-Security-Policy" in text
    return found


@given(st.text(), st.text())
def test_a_template_says_what_it_was_given_and_nothing_else(content: str, attribute: str) -> None:
    folder = Path("templates")
    folder.mkdir(exist_ok=True)
    (folder / "one.html.j2").write_text('<body><p title="{{ attribute }}">{{ content }}</p>')
    printable = "".join(c for c in content if c.isprintable() or c in "\n\t ")
    found = Seen(templates.render(folder, "one.html.j2", content=content, attribute=attribute))
    assert found.elements == ["body", "p"] and found.words == printable.encode("utf-8", "replace").decode()
    assert found.handlers == []


def test_a_value_that_a_template_lacks_is_an_error_and_not_a_gap() -> None:
    Path("one.html.j2").write_text("{{ absent }}")
    with pytest.raises(UndefinedError):
        templates.render(Path.cwd(), "one.html.j2")


@settings(max_examples=8)
@given(st.lists(st.text(min_size=1), min_size=2, max_size=3, unique=True))
def test_no_class_name_becomes_markup_in_a_figure(names: list[str]) -> None:
    counts = np.arange(len(names) ** 2).reshape(len(names), -1)
    found = Seen(canvas.svg(confusion_matrix.matrix(counts, names, NASTY)))
    assert set(found.elements) <= {"svg", "g", "path", "text", "title", "defs", "use"} and found.handlers == []
    assert all(reference.startswith("#") for reference in found.referred)


def test_a_page_shows_what_the_run_scored(small_run: kit.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = kit.load(shutil.copytree(small_run.path, tmp_path / "run"))
    assert main(["report", str(run.path)]) == 0
    path = run.path / "report.html"
    assert capsys.readouterr().out == f"{path}\n"
    found = seen(path)
    for words in (f"{run.scores['oof']:.5f}", "Learning", "Right and wrong", "Calibration", "By class", "Worst rows", "Time"):
        assert words in found.words
    assert found.elements.count("img") == worst_rows.WORST
    facts = findings.gather(run)
    classes = findings.classes(facts)
    assert classes is not None
    counts = findings.confusion(classes)
    assert counts.sum() == len(facts.oof) == run.scores["rows"]["train"]
    assert np.trace(counts) / counts.sum() == pytest.approx(run.scores["oof"])
    known = findings.calibration(facts)
    assert known is not None and known.share.sum() == pytest.approx(1) and 0 <= known.gap <= 1
    assert [one.loss for one in facts.worst] == sorted((one.loss for one in facts.worst), reverse=True)


def test_without_its_data_a_page_lacks_the_pictures_only_and_says_so(
    small_run: kit.Run, tmp_path: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kit.load(shutil.copytree(small_run.path, tmp_path / "run"))
    run.note(root=str(tmp_path / "gone"))
    found = seen(page.write(run))
    assert "img" not in found.elements and "no longer in" in found.words and "Right and wrong" in found.words
    assert "shown without what they hold: the run's data is no longer in" in capsys.readouterr().err
    with pytest.raises(kit.Usage, match="--data nowhere: there is no such folder"):
        page.write(run, "nowhere")
    assert not Path("data").exists()  # embedded data is not laid out for it
    assert seen(page.write(run, digits)).elements.count("img") == worst_rows.WORST
    shutil.copytree(digits, tmp_path / "other")
    lines = (digits / "train.csv").read_text().splitlines()
    (tmp_path / "other" / "train.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    found = seen(page.write(run, tmp_path / "other"))
    assert "img" not in found.elements and "is not what this run was trained on" in found.words


def test_a_review_with_a_script_in_it_is_text(tmp_path: Path) -> None:
    nasty = NASTY.replace('"', '""')
    answers = [("bad", "no"), ("good", "</b>yes")]
    lines = [f'{i},"the {answers[i % 2][0]} film {i} {nasty}",{answers[i % 2][1]}' for i in range(60)]
    Path("reviews.csv").write_text("\n".join(["id,text,label", *lines]) + "\n")
    run = kit.run("csv", "reviews.csv", out=tmp_path / "run", folds=2, quiet=True, text="text")
    found = seen(page.write(run))
    assert "alert(1)" in found.words and "</b>yes" in found.words and "img" not in found.elements


def test_numbers_are_shown_against_the_truth(tmp_path: Path) -> None:
    Path("competitions").mkdir()
    Path("competitions/squares.py").write_text(NUMBERS)
    data = tmp_path / "data"
    data.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (48, 64))
    header = ",".join(f"pixel{i}" for i in range(64))
    rows = [",".join(map(str, image)) for image in images]
    answers = [f"{image.mean():.3f},{image.mean() / 2:.3f}" for image in images]
    (data / "train.csv").write_text("\n".join([f"whole,half,{header}", *map(",".join, zip(answers, rows, strict=True))]))
    (data / "test.csv").write_text("\n".join([header, *rows[:4]]))
    (data / "sample_submission.csv").write_text("id,whole,half\n" + "".join(f"{i},0,0\n" for i in range(1, 5)))
    run = kit.run("squares", data, out=tmp_path / "run", quiet=True)
    found = seen(page.write(run))
    assert {"Predicted and true", "By number"} <= set(re.findall(r"Predicted and true|By number|Calibration", found.words))
    assert "Calibration" not in found.words and found.elements.count("img") == worst_rows.WORST
    error = findings.gather(run)
    rmse = float(np.sqrt(((error.oof["whole"].to_numpy() - error.y[:, 0]) ** 2).mean()))  # type: ignore[index]
    assert f"{rmse:.5g}" in findings.per_class(error)[1][0]


def test_a_page_of_some_folds_says_which_are_missing(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = kit.run("digits", digits, out=tmp_path / "run", only_fold=[1], quiet=True, epochs=1, folds=3, width=8, limit=300)
    found = seen(page.write(run))
    assert "folds still to train: 0, 2." in found.words and "Right and wrong" in found.words
    shutil.rmtree(run.path / "fold1")
    assert main(["report", str(run.path)]) == 2
    assert "no fold of this run is done yet" in capsys.readouterr().err


def test_the_truth_is_kept_as_it_was_encoded(small_run: kit.Run, digits: Path) -> None:
    facts = findings.gather(small_run)
    tables = competition.load("digits").competition.tables(digits)
    assert facts.y is not None
    assert (facts.y == tables.labels.encode(tables.train.loc[facts.oof.index])).all()
    assert json.loads((small_run.path / "scores.json").read_text())["rows"]["train"] == len(facts.y)


def test_what_was_read_is_shown_beside_what_was_drawn(tmp_path: Path) -> None:
    facts = competition.load("equations").competition
    facts.invent(facts, tmp_path / "data", 24, 6)
    knobs = {"epochs": 1, "folds": 2, "width": 4, "devices": "cpu", "views": 1, "preset": "best"}
    run = kit.run("equations", tmp_path / "data", out=tmp_path / "run", quiet=True, **knobs)
    found = seen(page.write(run))
    facts_found = findings.gather(run)
    first = facts_found.worst[0]
    assert first.truth.split(":")[0] in set(pd.read_csv(tmp_path / "data" / facts.train)["equation"].str.replace(" ", ""))
    assert "Probabilities of the text that was read" in found.words and first.truth in found.words
    assert found.elements.count("img") == worst_rows.WORST
    exact = [float(row[1]) for row in findings.per_class(facts_found)[1]]
    assert exact == pytest.approx([run.scores["extra"][f"mae {name}"] for name in "abc"], rel=1e-3)


def test_a_blend_shows_its_members_and_no_knobs(small_run: kit.Run, tmp_path: Path) -> None:
    other = kit.load(shutil.copytree(small_run.path, tmp_path / "copy"))
    run = blend([small_run, other], out=tmp_path / "both", quiet=True)
    found = seen(page.write(run))
    assert str(other.path) in found.words and "does not pay" in found.words and "Right and wrong" in found.words
    assert "Not complete" not in found.words and "weight_decay" not in found.words


def test_a_rate_that_the_kit_chose_is_told(small_run: kit.Run, tmp_path: Path) -> None:
    run = kit.load(shutil.copytree(small_run.path, tmp_path / "run"))
    run.note(config=run.info["config"] | {"lr": 0.0}, chosen={"lr": 0.0125, "batch": 32})
    assert "auto: 0.0125" in seen(page.write(run)).words


def test_a_notebook_shows_the_report_in_a_frame(small_run: kit.Run, tmp_path: Path) -> None:
    run = kit.load(small_run.path)
    shown = run._repr_html_()
    assert Seen(shown).elements == ["style", "iframe"] and " sandbox " in shown and "allow-scripts" not in shown
    inside = html.unescape(shown.partition('srcdoc="')[2].partition('"></iframe>')[0])
    assert inside == page.page(findings.gather(run))
    assert kit.Run(tmp_path / "none")._repr_html_().startswith("<p>")
