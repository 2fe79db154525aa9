"""A complete run's files: one that was changed afterwards is named by whatever reads the run."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest

import kit
from kit.errors import BadData, DiskError
from kit.inference import members
from kit.reporting.report import page
from kit.storage.runs import manifest

KNOBS = {"epochs": 1, "folds": 2, "limit": 100, "width": 8, "quiet": True}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small complete run of the digits."""
    folder = tmp_path_factory.mktemp("finished")
    return kit.run("digits", out=folder / "run", **KNOBS).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def flip(path: Path) -> None:
    """Change the last digit of a file."""
    text = path.read_text()
    place = max(i for i, sign in enumerate(text) if sign.isdigit())
    path.write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])


@pytest.mark.parametrize("name", [*manifest.READ, "fold1/fold.json", "fold0/history.csv"])
def test_a_digit_changed_in_any_file_of_a_complete_run_is_named(run: Path, name: str) -> None:
    assert kit.load(run).finished()
    flip(run / name)
    with pytest.raises(BadData, match=f"'{name}' changed after the run was complete"):
        kit.load(run)


def test_a_changed_submission_is_named_and_made_again(run: Path) -> None:
    before = (run / "submission.csv").read_bytes()
    flip(run / "submission.csv")
    with pytest.raises(BadData, match=r"submission\.csv changed after the run was complete"):
        kit.run("digits", out=run, **KNOBS)
    kit.run("digits", out=run, rewrite=True, **KNOBS)
    assert (run / "submission.csv").read_bytes() == before


def test_predictions_that_were_changed_are_made_again_from_the_folds(run: Path) -> None:
    before = (run / "oof.csv").read_bytes()
    flip(run / "oof.csv")
    kit.run("digits", out=run, rewrite=True, **KNOBS)
    assert (run / "oof.csv").read_bytes() == before
    assert kit.load(run).finished()


def test_a_run_without_a_manifest_opens_as_before(run: Path) -> None:
    (run / manifest.FILE).unlink()
    assert kit.run("digits", out=run, **KNOBS).complete
    assert kit.load(run).finished()


def test_what_the_kit_itself_notes_keeps_the_manifest_true(run: Path) -> None:
    kit.load(run).note(notes=["a note"])
    assert kit.load(run).record.notes == ["a note"]


def test_a_manifest_that_is_none_is_named(run: Path) -> None:
    (run / manifest.FILE).write_bytes(b"\xff{")
    with pytest.raises(BadData, match=r"manifest\.json: not the list of checksums"):
        kit.load(run)


@pytest.mark.parametrize("name", ["run.json", "scores.json", "oof.csv", "fold0/model.ckpt", "fold0/oof.npz"])
def test_a_file_that_may_not_be_read_is_an_error_of_the_disk(run: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a patched `open`: root, as whom tests may run, reads files of any mode."""
    forbid(monkeypatch, run / name)
    with pytest.raises(DiskError, match=f"{name}: cannot be read"):
        use(run)


def forbid(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    true_open = io.open

    def opened(file: object, *words: object, **named: object) -> object:
        if isinstance(file, str | Path) and Path(file) == path:
            raise PermissionError(13, "Permission denied", str(path))
        return true_open(file, *words, **named)  # type: ignore[call-overload]

    monkeypatch.setattr("io.open", opened)
    monkeypatch.setattr("builtins.open", opened)


def use(run: Path) -> None:
    """Read all of a run."""
    loaded = kit.load(run)
    page.write(loaded)
    members.load(loaded)
    kit.run("digits", out=run, rewrite=True, **KNOBS)
