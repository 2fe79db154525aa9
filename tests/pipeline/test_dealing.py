"""Folds that people ask for: from a file or a run, to the byte; with a gap in time; and what cannot be is said in one line."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kit
from kit.cli import app
from kit.pipeline.dealing import folds_file
from kit.storage import frames

ADAPTER = """
from kit.competition import Competition
from kit.config import Config
from kit.inputs import Table
from kit.labels import OneOf
from kit.metrics import accuracy

competition = Competition("shop", id="id", inputs=Table(numbers=("n", "m")), labels=OneOf("sold", ("0", "1")),
                          metric=accuracy{facts})
presets = {{"fast": Config(model="mlp", epochs=1, folds=3, batch=16, width=8)}}
"""
ROWS = 60
MADE = ("oof.csv", "test.csv", "folds.csv", "truth.csv", "submission.csv")


def lay_out(facts: str = "") -> Path:
    """Sixty rows, one a day, in `data`, and an adapter `shop.py`."""
    rng = np.random.default_rng(0)
    Path("shop.py").write_text(ADAPTER.format(facts=facts))
    data = Path("data")
    data.mkdir()
    for name, count in (("train", ROWS), ("test", 9)):
        days = pd.date_range("2020-01-01" if name == "train" else "2020-04-01", periods=count).strftime("%Y-%m-%d")
        table = pd.DataFrame(
            {"id": [f"{name}{i}" for i in range(count)], "n": rng.normal(size=count), "m": rng.normal(size=count)}
        )
        table.assign(day=days, hour=range(count), pair=np.arange(count) // 2, sold=(table["n"] > 0).astype(int)).to_csv(
            data / f"{name}.csv", index=False
        )
    pd.DataFrame({"id": [f"test{i}" for i in range(9)], "sold": 0}).to_csv(data / "sample_submission.csv", index=False)
    return data


def run(name: str, **knobs: object) -> kit.Run:
    return kit.run("shop.py", "data", out=name, quiet=True, **knobs)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code of `kit run` with these flags, and its message, which is one line."""
    code = app.main(["run", "shop.py", "--data", "data", "--out", "refused", "--quiet", *words])
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    return code, said


def same(one: kit.Run, other: kit.Run) -> bool:
    return all((one.path / name).read_bytes() == (other.path / name).read_bytes() for name in MADE)


@pytest.mark.parametrize("facts", ["", ', time="day"'])
def test_folds_of_another_run_give_its_bytes_as_a_folder_as_a_file_and_in_any_order(facts: str) -> None:
    lay_out(facts)
    first = run("first", folds=4)
    shuffled = frames.read_by(first.path, "folds.csv").sample(frac=1, random_state=3)
    shuffled.to_csv("shuffled.csv", columns=["fold"])
    assert same(first, run("again", folds_from="first"))
    assert same(first, run("other", folds_from="shuffled.csv"))
    assert not same(first, run("else", folds=3))


def test_a_run_with_folds_of_a_file_resumes_and_notices_another_file() -> None:
    lay_out(', group="pair"')
    table = pd.DataFrame({"id": [f"train{i}" for i in range(ROWS)], "fold": np.arange(ROWS) % 2 + 1})
    table.to_csv("team.csv", index=False)
    kit.run("shop.py", "data", out="half", quiet=True, folds_from="team.csv", only_fold=[1])
    whole = run("half", folds_from="team.csv")
    assert whole.record.folds == [0, 1]  # counted from 0
    assert any(note.startswith("30 groups, or rows with their repetitions, are in several") for note in whole.record.notes)
    assert same(whole, run("at_once", folds_from="team.csv"))
    kit.run("shop.py", "data", out="begun", quiet=True, folds_from="team.csv", only_fold=[0])
    table.assign(fold=table["fold"][::-1].to_numpy()).to_csv("team.csv", index=False)
    with pytest.raises(kit.Usage, match="differ from today's plan in 60 rows"):
        run("begun", folds_from="team.csv")


def testrows_of_of_fold_minus_one_train_every_fold_and_validate_none() -> None:
    lay_out()
    fold = np.where(np.arange(ROWS) < 20, -1, np.arange(ROWS) % 2)
    pd.DataFrame({"id": [f"train{i}" for i in range(ROWS)], "fold": fold}).to_csv("folds.csv", index=False)
    made = run("made", folds_from="folds.csv")
    assert list(made.oof.index) == [f"train{i}" for i in range(20, ROWS)]
    assert [rows_of(made.fold(k)) for k in (0, 1)] == [40, 40]


def rows_of(folder: Path) -> int:
    """How many rows a fold was trained on."""
    return int(json.loads((folder / "fold.json").read_text())["rows"])


IDS = [f"train{i}" for i in range(ROWS)]
FOLDS = [str(i % 3) for i in range(ROWS)]
FAULTS = {
    "missing": (IDS[1:], FOLDS[1:], 65, "1 training rows have no fold in it (ids 'train0')"),
    "unknown": ([*IDS, "train99"], [*FOLDS, "0"], 65, "1 ids are of no training row ('train99')"),
    "doubled": ([*IDS, "train7"], [*FOLDS, "0"], 65, "line 62: the id 'train7' stands in line 9 already"),
    "one fold": (IDS, ["0"] * ROWS, 65, "all rows are in one fold"),
    "no number": (IDS, [*FOLDS[:-1], "two"], 65, "line 61: the fold 'two' is no whole number"),
    "half": (IDS, [*FOLDS[:-1], "1.5"], 65, "line 61: the fold '1.5' is no whole number"),
    "blank": (IDS, [*FOLDS[:-1], ""], 65, "line 61: the fold '' is no whole number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_of_folds_that_does_not_fit_is_refused_in_one_line(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    lay_out()
    ids, fold, code, words = FAULTS[fault]
    pd.DataFrame({"id": ids, "fold": fold}).to_csv("f.csv", index=False)
    found, said = refused(capsys, "--folds-from", "f.csv")
    assert (found, words in said) == (code, True), said


def test_other_things_that_cannot_be_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out()
    pd.DataFrame({"id": IDS, "part": FOLDS}).to_csv("f.csv", index=False)
    assert refused(capsys, "--folds-from", "f.csv")[0] == 65
    pd.DataFrame({"id": IDS, "fold": FOLDS}).to_csv("f.csv", index=False)
    assert refused(capsys, "--folds-from", "nowhere.csv") == (2, "kit: --folds-from nowhere.csv: there is no such file.")
    assert refused(capsys, "--folds-from", "f.csv", "--folds", "4")[0] == 2
    assert refused(capsys, "--gap", "soon")[0] == 2
    code, said = refused(capsys, "--gap", "3")
    assert (code, "not by time" in said) == (2, True)


def testrows_of_without_an_answer_may_stand_in_the_file_and_the_firstrows_of_suffice_for_a_trial() -> None:
    data = lay_out()
    table = pd.read_csv(data / "train.csv", dtype=str)
    table.loc[5, "sold"] = ""
    table.to_csv(data / "train.csv", index=False)
    pd.DataFrame({"id": IDS, "fold": FOLDS}).to_csv("f.csv", index=False)
    assert len(run("whole", folds_from="f.csv").oof) == ROWS - 1
    assert len(run("trial", folds_from="f.csv", limit=30).oof) == 30


def test_the_identifier_column_may_have_another_name_and_the_fold_be_written_as_a_fraction() -> None:
    pd.DataFrame({"image": ["b", "a"], "fold": [1.0, 0.0]}).to_csv("f.csv", index=False)
    assert folds_file.read("f.csv").to_dict() == {"b": 1, "a": 0}
    assert folds_file.count("f.csv") == 2


@pytest.mark.parametrize(
    ("column", "gap", "shorter"), [("day", "5d", 5), ("day", "1w12h", 7), ("hour", "5", 5), ("hour", "0", 0)]
)
def testrows_of_within_the_gap_before_a_validation_block_do_not_train(column: str, gap: str, shorter: int) -> None:
    lay_out(f', time="{column}"')
    plain, purged = run("plain"), run("purged", gap=gap)
    assert (plain.path / "folds.csv").read_bytes() == (purged.path / "folds.csv").read_bytes()
    assert [rows_of(purged.fold(k)) for k in range(3)] == [rows_of(plain.fold(k)) - shorter for k in range(3)]
    assert same(plain, purged) == (shorter == 0)


def test_a_gap_in_the_wrong_unit_or_longer_than_what_is_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out(', time="day"')
    assert "'day' holds dates: give a duration such as 7d" in refused(capsys, "--gap", "7")[1]
    code, said = refused(capsys, "--gap", "52w")
    assert (code, "fold 0" in said) == (2, True)


def test_repeats_of_another_run_are_taken_from_it_to_the_byte() -> None:
    lay_out()
    first = run("first", repeats=3)
    assert same(first, run("again", folds_from="first", repeats=3))
    both = run("both", folds_from="first", repeats=2)
    given = frames.read_by(first.path, "folds.csv")
    given[["repeat1"]].set_axis(["fold"], axis=1).to_csv("second.csv")
    alone = [run("one", folds_from="first"), run("two", folds_from="second.csv", seed=1)]
    mean = (alone[0].oof.astype(np.float64) + alone[1].oof) / 2
    assert both.oof.equals(mean.astype(np.float32))
    kit.run("shop.py", "data", out="one", quiet=True, folds_from="first", repeats=2, only_fold=[2])
    assert same(both, run("one", folds_from="first", repeats=2))


def test_repeats_that_a_file_does_not_hold_are_refused_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out()
    table = pd.DataFrame({"id": IDS, "fold": FOLDS})
    table.to_csv("f.csv", index=False)
    words = ("--folds-from", "f.csv", "--repeats", "3")
    code, said = refused(capsys, *words)
    assert (code, "f.csv has no column 'repeat1', 'repeat2', which would deal the rows again. Name a file" in said) == (2, True)
    for further, expected in (
        ([str(i % 2) for i in range(ROWS)], "have '3', '2' folds"),
        (["-1", *FOLDS[1:]], "have -1 in other rows"),
        (["one", *FOLDS[1:]], "line 2: the repeat1 'one' is no whole number"),
        (["1"] * ROWS, "column 'repeat1': all rows are in one fold"),
    ):
        table.assign(repeat1=further).to_csv("f.csv", index=False)
        code, said = refused(capsys, *words[:3], "2")
        assert (code, expected in said) == (65, True), said
