"""Answers: a submission is spelled as the sample, what the files leave open is asked, and what cannot be is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kit
from kit.competition import Competition, scaffold, submission
from kit.competition.detection.facts import facts_of
from kit.inputs import Table
from kit.labels import Columns, Grade, Labels, Numbers, OneOf
from kit.metrics import accuracy
from kit.storage import frames

N, ASKED = 120, 20
QUICK: dict[str, Any] = {"quiet": True, "folds": 2, "epochs": 2, "width": 8}


def laid_out(root: Path, answers: list[str], sample: dict[str, list[str]], **more: list[str]) -> Path:
    """A table of one number whose answers repeat in turn, and its sample; `more`: columns that the test lacks."""
    root.mkdir(parents=True, exist_ok=True)
    rows = pd.DataFrame({"id": [f"r{i}" for i in range(N)], "x": [f"{i % len(answers) + i / 999:.3f}" for i in range(N)]})
    known = {"label": [answers[i % len(answers)] for i in range(N)]}
    ids = [f"t{i}" for i in range(ASKED)]
    asked = {name: [cells[i % len(cells)] for i in range(ASKED)] for name, cells in sample.items()}
    frames.write_csv(root / "train.csv", rows.assign(**known, **more), index=False)
    frames.write_csv(root / "test.csv", rows[["id", "x"]][:ASKED].assign(id=ids), index=False)
    frames.write_csv(root / "sample_submission.csv", pd.DataFrame({"id": ids, **asked}), index=False)
    return root


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield


SPELLED = [  # training answers, the sample's, what the submission may have
    (["1.0", "2.0", "3.0", ""], ["1"], {"1", "2", "3"}),
    (["No", "Yes"], ["0"], {"0", "1"}),
    (["Cat", "Dog", "dog"], ["cat"], {"cat", "dog"}),
    ([" <=50K", " >50K"], ["<=50K"], {"<=50K", ">50K"}),
]


@pytest.mark.parametrize(("answers", "shown", "names"), SPELLED)
def test_a_submission_is_spelled_as_the_sample(answers: list[str], shown: list[str], names: set[str], tmp_path: Path) -> None:
    root = laid_out(tmp_path / "d", answers, {"label": shown})
    _, lines = scaffold.write("mine", root)
    assert any(line.startswith("· answers are written as the sample has them: ") for line in lines)
    for name, knobs in (("mine", {}), ("csv", {"target": "label"})):
        run = kit.run(name, root, **QUICK, **knobs)
        assert set(frames.read_by(run.path, "submission.csv")["label"]) <= names
        assert set(run.record.labels["classes"]) == names
        assert kit.validate(name, root / "sample_submission.csv", root, **knobs) == []
        assert any("are written as the sample has them" in note for note in run.record.notes)


def test_columns_of_a_sample_may_be_spelled_otherwise(tmp_path: Path) -> None:
    sample = {"Class_1": ["0"], "Class_2": ["1"], "Class_3": ["0"]}
    facts = facts_of(laid_out(tmp_path / "d", ["1.0", "2.0", "3.0"], sample))
    assert facts.labels == Columns(column="label", prefix="Class_")
    tables = facts.tables(tmp_path / "d")
    assert tables.labels.columns == tuple(sample) and tables.encoded().sum() == N


def competition(labels: Labels) -> Competition:
    return Competition("own", "id", Table(), labels, labels.usual_metric)


def test_answers_to_the_test_are_respelled_too(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "d", ["No", "Yes"], {"Label": ["0"]})
    known = frames.read_by(root, "sample_submission.csv").assign(Label="Yes")
    frames.write_csv(root / "solution.csv", known)
    tables = competition(OneOf("label")).tables(root)
    right = pd.DataFrame({"0": 0.0, "1": 1.0}, index=known.index)
    assert tables.held_out(tables.labels, accuracy, right) == 1


def test_training_answers_are_respelled_as_the_stated_classes_which_are_the_samples(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "d", ["Cat", "dog ", "DOG"], {"label": ["cat"]})
    tables = competition(OneOf("label", ("cat", "dog"))).tables(root)
    assert tables.labels.columns == ("cat", "dog") and len(tables.train) == N
    assert any("as the adapter has them" in note for note in tables.notes)
    with pytest.raises(kit.BadData, match=r"spells answers as 'cat', the adapter as 'CAT', 'DOG'.\n.*\(\"cat\", \"dog\"\)"):
        competition(OneOf("label", ("CAT", "DOG"))).tables(root)


@pytest.mark.parametrize("shown", ["?", "", "0"])
def test_a_placeholder_is_asked_about(shown: str, tmp_path: Path) -> None:
    root = laid_out(tmp_path / "d", ["a", "b"], {"label": [shown]})
    said = [note for note in competition(OneOf("label")).tables(root).notes if note.startswith("? ")]
    assert len(said) == 1 and f"{shown!r} is no class" in said[0] and "'a', 'b'" in said[0]
    _, lines = scaffold.write("mine", root)
    assert sum("the sample has other answers" in line for line in lines) == 1 and said[0] in lines


def test_several_answers_that_are_no_classes_are_refused_before_training(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "d", ["a", "b"], {"label": ["p", "q"]})
    with pytest.raises(kit.BadData, match=r"sample_submission.csv: its answers 'p', 'q' are none of the classes 'a', 'b'"):
        kit.run("csv", root, **QUICK, target="label")
    laid_out(root, ["a", "b"], {"label": ["a", "b", "q"]})  # one that no training row has
    assert any("'q' is no class, and such are 1 of 3" in note for note in competition(OneOf("label")).tables(root).notes)


def test_whole_numbers_of_a_sample_may_be_written_with_a_point() -> None:
    sample = pd.DataFrame({"label": ["3.0", "0.0"]}, index=pd.Index(["a", "b"], name="id"))
    plain = sample.assign(label=["3", "0"])
    for labels in (Grade("label", 4), Numbers(("label",), whole=True)):
        for one in (sample, plain):
            assert submission.faults(frames.csv_text(one).encode(), sample, labels) == []
        assert len(submission.faults(frames.csv_text(sample).encode(), plain, labels)) == 2
    assert len(submission.faults(b"id,label\na,3.5\nb,9.0\n", sample, Grade("label", 4))) == 2


WHOLE = [str(i % 30) for i in range(60)]
TAIL = [f"{np.exp(i / 9):.1f}" for i in range(60)]
SIGNED = [str(i - 30) for i in range(60)]
EVEN = [f"{i + 0.5}" for i in range(60)]
OPEN = [  # training answers, the sample's, what is asked (or not)
    (WHOLE, ["0"], "whole numbers are read as 30 classes", 'state Numbers(("label",), True) (--task numbers)'),
    ([str(i * i) for i in range(30)], ["0.5"], "(30 different ones) are read as amounts", 'OneOf("label") (--task classes)'),
    (SIGNED, ["1", "2", "3"], "the sample's answers are whole", 'to round, state Numbers(("label",), True)'),
    (TAIL, ["0"], "'label' has a long tail", 'state Numbers(("label",), log=True) and the metric rmsle'),
]  # fmt: skip


@pytest.mark.parametrize(("answers", "shown", "said", "instead"), OPEN)
def test_what_the_files_leave_open_is_asked(
    answers: list[str], shown: list[str], said: str, instead: str, tmp_path: Path
) -> None:
    root = laid_out(tmp_path / "d", answers, {"label": shown})
    _, lines = scaffold.write("mine", root)
    (line,) = [line for line in lines if said in line]
    assert line.startswith("? ") and instead in line
    notes = kit.run("csv", root, **QUICK, target="label").record.notes
    assert line in notes
    other = [one for _, _, one, _ in OPEN if one != said and any(one in line for line in lines)]
    assert other in ([], ["'label' has a long tail"])  # squares have one
    plain = laid_out(tmp_path / "plain", EVEN, {"label": ["0"]})
    assert not any(one in line for line in scaffold.write("plain", plain)[1] for _, _, one, _ in OPEN)


def test_a_task_that_is_given_decides_and_leaves_nothing_open(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "d", WHOLE, {"label": ["0"]})
    scaffold.write("amounts", root, task="numbers")
    assert kit.competition.load("amounts").competition.labels == Numbers(("label",))
    run = kit.run("csv", root, **QUICK, target="label", task="numbers")
    assert run.record.labels["type"] == "Numbers" and not any(note.startswith("? ") for note in run.record.notes)
    with pytest.raises(kit.Usage, match=r"--task 'groups'.*must be one of classes, numbers, grades, probability, tags"):
        kit.run("csv", root, **QUICK, target="label", task="groups")


def test_a_text_may_have_any_task(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": range(60), "text": [f"word{i % 2} and {i}" for i in range(60)], "label": ["0", "1"] * 30})
    frames.write_csv(tmp_path / "rows.csv", rows, index=False)
    run = kit.run("csv", tmp_path / "rows.csv", quiet=True, folds=2, text="text", target="label", task="probability")
    assert run.record.labels["type"] == "Columns" and run.scores["metric"] == "auc"


def test_a_sum_of_columns_that_the_test_lacks_is_named(tmp_path: Path) -> None:
    casual, registered = np.arange(N) * 7 % 31, np.arange(N) ** 2 % 997
    parts = {"casual": [*map(str, casual)], "registered": [*map(str, registered)], "windy": [*map(str, casual % 3)]}
    root = laid_out(tmp_path / "d", [*map(str, casual + registered)], {"label": ["0.5"]}, **parts)
    _, lines = scaffold.write("mine", root)
    assert "· 'label' is the sum of 'casual' and 'registered', which the test does not have" in lines
    laid_out(root, [*map(str, casual + registered + 1)], {"label": ["0.5"]}, **parts)
    assert not any("is the sum" in note for note in competition(Numbers(("label",))).tables(root).notes)
