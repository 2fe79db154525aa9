"""What a notebook shows: a competition, a study, a comparison, a plot, an error; and what interrupting a cell keeps."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from conftest import SMALL
from test_html_report import NASTY, Seen

import kit
from kit import competition
from kit.metrics import accuracy
from kit.models.batch import Batch
from kit.pipeline import study as studies
from kit.training.callbacks import History


def cell(shown: str) -> Seen:
    """What a browser makes of a cell, after it was seen to be small, whole, and to ask for nothing."""
    found = Seen(shown)
    assert found.open == [] and found.handlers == [] and found.fetched == [] and len(shown) < 200_000
    assert "script" not in found.elements and "url(" not in shown and "@import" not in shown and ":root" not in shown
    return found


def test_a_competition_says_what_it_is_and_where_its_data_is(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = competition.load("digits").competition
    words = cell(facts._repr_html_()).words
    assert "built in" in words and "accuracy (higher is better)" in words and "one of 10" in words
    assert not Path("data").exists()
    monkeypatch.setenv("KIT_DATA", str(digits.parent))
    (digits.parent / facts.slug).symlink_to(digits)
    assert "test rows" in (words := cell(facts._repr_html_()).words) and "360" in words
    (digits.parent / facts.slug).unlink()


def test_a_competition_without_data_or_with_a_damaged_sample_is_shown_too(tmp_path: Path) -> None:
    facts = kit.Competition(NASTY, "id", kit.Pixels(8), kit.OneOf("label"), accuracy)
    assert f"kit download {NASTY}" in cell(facts._repr_html_()).words
    facts = kit.Competition("spots", "id", kit.Pixels(8), kit.OneOf("label"), accuracy)
    (tmp_path / "data" / "spots").mkdir(parents=True)
    (tmp_path / "data" / "spots" / "train.csv").write_text("id,label\n1,a\n")
    assert "sample_submission.csv" in cell(facts._repr_html_()).words


def test_a_study_shows_its_folds_and_what_was_saved(digits: Path) -> None:
    study = kit.study("digits", digits, quiet=True, folds=2, limit=300, width=8, epochs=1)
    words = cell(study._repr_html_()).words
    assert "300 training rows in 2 folds, 360 test rows" in words and words.count("not saved") == 2
    fold = study.folds[0]
    score = fold.save(*(certain(fold, ids) for ids in (fold.validation_ids, fold.test_ids)))
    words = cell(study._repr_html_()).words
    assert words.count("not saved") == 1 and f"{score:.5f}" in words


def certain(fold: studies.StudyFold, ids: object) -> object:
    """A prediction of the first class for all rows."""
    import numpy as np

    return np.eye(10)[np.zeros(len(ids), int)]  # type: ignore[arg-type]


def test_a_comparison_and_a_blend_are_shown_as_they_are_printed(small_run: kit.Run, tmp_path: Path) -> None:
    other = kit.load(shutil.copytree(small_run.path, tmp_path / "copy"))
    found = kit.compare([small_run, other])
    words = cell(found._repr_html_()).words
    for line in found.text().splitlines():
        assert all(part in words for part in line.split()), line
    both = kit.blend([small_run.path, other], out=tmp_path / "both", quiet=True)
    assert isinstance(both, kit.Run) and both.complete and "does not pay" in both._repr_html_()
    with pytest.raises(kit.Usage, match="two runs at least"):
        kit.blend([small_run])


def test_a_plot_shows_curves_and_confusion_and_follows_the_notebook_s_theme(small_run: kit.Run, tmp_path: Path) -> None:
    shown = small_run.plot()
    found = cell(shown._repr_html_())
    assert found.elements.count("svg") >= 3 and "Learning" in found.words and "Right and wrong" in found.words
    assert all(mark in shown.html for mark in ("prefers-color-scheme:dark", 'data-jp-theme-light="false"', "vscode-dark"))
    assert repr(shown) == f"Plot(of='{small_run.path}')"
    with pytest.raises(kit.Usage, match="no run"):
        kit.Run(tmp_path / "none").plot()


def test_a_notebook_shows_an_error_of_the_kit_in_its_own_words() -> None:
    with pytest.raises(kit.Usage) as caught:
        kit.run("digitz")
    (line,) = caught.value._render_traceback_()
    assert line.startswith("kit: ") and "Did you mean 'digits'" in line and "Traceback" not in line


def test_a_cell_that_is_interrupted_goes_on_when_it_is_run_again(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    """A kernel's interrupt is a SIGINT to the process that executes the cell."""
    healthy, before = History.on_train_batch_end, signal.getsignal(signal.SIGINT)

    def interrupted(self: History, trainer: object, module: object, outputs: object, batch: Batch, index: int) -> None:
        healthy(self, trainer, module, outputs, batch, index)  # type: ignore[arg-type]
        if (self.state.fold.number, batch.epoch, batch.step) == (1, 1, 0):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(kit.Stopped, match="SIGINT; the state is saved"):
        patch.setattr(History, "on_train_batch_end", interrupted)
        kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    assert signal.getsignal(signal.SIGINT) == before and kit.load(tmp_path / "run").info["status"] == "stopped"
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    assert len(run.info["sessions"]) == 2
    for name in ("oof.csv", "test.csv", "submission.csv"):
        assert (run.path / name).read_bytes() == (small_run.path / name).read_bytes()
