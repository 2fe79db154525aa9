"""Submit: nothing wrong is sent, nothing that failed passes for sent, and every score comes back."""

import csv
import io
import os
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SMALL, flags
from loopback import KEY, Loopback

import kit
from kit import console
from kit.cli.app import main
from kit.errors import BadData, Stopped, Unreachable
from kit.kaggle import api as clients, submit as submits
from kit.kaggle.submit import refresh, submit
from kit.storage import environment, ledger


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time between two looks."""
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    monkeypatch.setattr(submits, "PACE", clients.Pace(first=0.01, longest=0.02, limit=3600))


@pytest.fixture
def digits_there(kaggle: Loopback) -> Loopback:
    """Kaggle holds the digits as a competition."""
    kaggle.slug = "digits"
    return kaggle


def test_from_nothing_to_a_scored_submission_in_one_go(
    digits_there: Loopback, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digits_there.files = {path.name: path.read_bytes() for path in sorted(digits.iterdir())}
    assert main(["download", "digits", "--quiet"]) == 0
    assert main(["run", "digits", "--data", "data/digits", "--name", "first", "--quiet", *flags(SMALL)]) == 0
    assert main(["submit", "digits", "runs/digits/first", "-m", "first", "--wait", "--quiet"]) == 0
    assert main(["ledger", "digits"]) == 0
    said = capsys.readouterr().out
    assert "COMPLETE" in said and "select  first (100): best CV" in said
    assert digits_there.uploads["submission.csv"] == Path("runs/digits/first/submission.csv").read_bytes()
    (row,) = ledger.rows("digits")
    assert (row.public, row.private, row.cv) == (0.99, None, kit.load("runs/digits/first").scores["oof"])
    assert Path("runs/digits/ledger.png").stat().st_size > 1000


def test_a_wrong_file_is_refused_before_the_client_is_started(
    digits_there: Loopback, digits: Path, small_run: kit.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    text = small_run.submission.read_text().splitlines()
    Path("wrong.csv").write_text("\n".join([*text[:-1], "7,eleven", "8,"]) + "\n")
    code = main(["submit", "digits", "wrong.csv", "-m", "x", "--data", str(digits)])
    assert code == 65 and "not sent: line " in capsys.readouterr().err
    assert digits_there.asked == [] and digits_there.uploads == {}
    assert not ledger.PLACE.exists()


def wrong(rows: list[list[str]], rng: random.Random) -> str:
    """Break rows in one of the ways people break them; returns which."""
    at = rng.randrange(1, len(rows))
    kinds = {
        "missing": lambda: rows.pop(at),
        "doubled": lambda: rows.insert(at, list(rows[at])),
        "unknown id": lambda: rows[at].__setitem__(0, str(90000 + at)),
        "float": lambda: [row.__setitem__(1, f"{row[1]}.0") for row in rows[1:]],
        "NaN": lambda: rows[at].__setitem__(1, rng.choice(["nan", "", "None", "inf"])),
        "no class": lambda: rows[at].__setitem__(1, rng.choice(["10", "-1", "cat", "0 "])),
        "header": lambda: rows[0].__setitem__(rng.randrange(2), rng.choice(["id", "label", "Label "])),
        "no header": lambda: rows.pop(0),
        "index": lambda: [row.insert(0, str(i)) for i, row in enumerate(rows)],
        "field more": lambda: rows[at].append("0"),
        "field less": lambda: rows[at].pop(),
    }
    kind = rng.choice(sorted(kinds))
    kinds[kind]()
    return kind


def test_hundreds_of_wrong_files_never_reach_the_client_and_right_ones_always_do(
    digits: Path, small_run: kit.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`submit` itself, with what comes after its checks replaced: hundreds of uploads would take minutes."""
    sent: list[Path] = []

    class Arrived(Exception):
        pass

    def arrive(*words: object) -> None:
        sent.append(Path("file.csv"))
        raise Arrived

    monkeypatch.setattr(submits, "Kaggle", arrive)
    monkeypatch.setattr(submits, "slug_of", lambda name: name)
    right = list(csv.reader(io.StringIO(small_run.submission.read_text())))
    rng, kinds, stopped = random.Random(7), set(), 0
    for _ in range(300):
        rows = [list(row) for row in right]
        kinds.add(wrong(rows, rng))
        Path("file.csv").write_text("".join(",".join(row) + "\n" for row in rows))
        with pytest.raises(BadData, match="not sent"):
            submit("digits", "file.csv", "x", data=digits, quiet=True)
        stopped += 1
    assert (stopped, len(kinds), sent) == (300, 11, [])
    for number in range(30):
        rows = right[1:]
        rng.shuffle(rows)
        Path("file.csv").write_text("".join(",".join(row) + "\n" for row in [right[0], *rows]))
        with pytest.raises(Arrived):
            submit("digits", "file.csv", "x", data=digits, quiet=True)
        assert len(sent) == number + 1


def test_a_failed_upload_that_the_client_calls_success_is_a_failure(
    digits_there: Loopback, small_run: kit.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    digits_there.faults = {"PUT": [400]}
    assert main(["submit", "digits", str(small_run.path), "-m", "x", "--quiet"]) == 69
    assert "nothing was submitted" in capsys.readouterr().err
    assert digits_there.count("CreateSubmission") == 0 and ledger.rows() == []


def test_a_file_that_cannot_be_scored_shows_the_reason(
    digits_there: Loopback, small_run: kit.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    digits_there.verdict = {"status": "ERROR", "errorDescription": "Submission must have 360 rows"}
    assert main(["submit", "digits", str(small_run.path), "-m", "x", "--wait", "--quiet"]) == 69
    assert "Submission must have 360 rows" in capsys.readouterr().err
    assert [row.status for row in ledger.rows("digits")] == ["ERROR"]


class Lost(list):
    """A fault at which the server does its work all the same, and only its answer is lost."""

    def __init__(self, fault: object, work: Callable[[], object]):
        super().__init__([fault])
        self.work = work

    def pop(self, *_: object) -> object:
        self.work()
        return super().pop()


@pytest.mark.parametrize("fault", [500, "hang"])
def test_an_answer_that_was_lost_is_looked_up(digits_there: Loopback, small_run: kit.Run, fault: object) -> None:
    """Kaggle took the submission, and its answer did not arrive: sending again would cost a second of the day's five."""
    digits_there.submitted("x", "old.csv")
    digits_there.faults["CreateSubmission"] = Lost(fault, lambda: digits_there.submitted("x", "submission.csv"))
    one = submit("digits", small_run.path, "x", seconds=4, quiet=True)
    assert one["ref"] == 101
    assert [row.ref for row in ledger.rows("digits")] == [101]
    assert len(digits_there.submissions) == 2


def test_a_refused_submission_is_no_submission(digits_there: Loopback, small_run: kit.Run) -> None:
    digits_there.faults = {"CreateSubmission": [(400, "You have reached your daily limit")]}
    with pytest.raises(Unreachable, match="daily limit"):
        submit("digits", small_run.path, "x", quiet=True)
    assert ledger.rows("digits") == []


@pytest.mark.skipif(environment.version("kaggle") < "2.2", reason="this client does not know what is left")
def test_tries_left_are_shown_and_none_left_sends_nothing(
    digits_there: Loopback, small_run: kit.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", "digits", str(small_run.path), "-m", "x"]) == 0
    assert "4 submissions left today" in capsys.readouterr().err
    digits_there.left = 0
    with pytest.raises(Unreachable, match="no submission is left today"):
        submit("digits", small_run.path, "y", quiet=True)
    assert digits_there.count("StartSubmissionUpload") == 1


@pytest.mark.parametrize("fault", [(413, "Payload too large"), (400, "File size exceeds the limit of 1 MB")])
def test_a_file_over_the_limit_is_offered_the_zip(
    digits_there: Loopback, small_run: kit.Run, capsys: pytest.CaptureFixture[str], fault: object
) -> None:
    digits_there.faults = {"StartSubmissionUpload": [fault]}
    assert main(["submit", "digits", str(small_run.path), "-m", "x", "--quiet"]) == 69
    assert "--zip" in capsys.readouterr().err
    assert main(["submit", "digits", str(small_run.path), "-m", "x", "--zip", "--quiet"]) == 0
    with zipfile.ZipFile(io.BytesIO(digits_there.uploads["submission.csv.zip"])) as archive:
        assert archive.read("submission.csv") == small_run.submission.read_bytes()


def test_a_score_that_does_not_come_is_asked_for_later(
    digits_there: Loopback, small_run: kit.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submits, "PACE", clients.Pace(first=0.01, longest=0.02, limit=0.2))
    digits_there.pending = 10**9
    with pytest.raises(Stopped, match="kit submit digits"):
        submit("digits", small_run.path, "x", wait=True, quiet=True)
    assert [row.status for row in ledger.rows()] == ["PENDING"]
    digits_there.pending = 0
    assert [one["status"] for one in refresh("digits", quiet=True)] == ["COMPLETE"]
    assert [row.public for row in ledger.rows()] == [0.99]


def test_what_was_sent_elsewhere_comes_into_the_ledger_once_and_so_does_the_private_score(digits_there: Loopback) -> None:
    digits_there.submitted("by hand", "file.csv")
    digits_there.pending = 0
    for _ in range(2):
        refresh("digits", quiet=True)
    digits_there.verdict |= {"privateScore": "0.98"}
    for _ in range(2):
        refresh("digits", quiet=True)
    assert [(row.name, row.public, row.private) for row in ledger.rows("digits")] == [("by hand", 0.99, 0.98)]
    assert len(ledger.entries()[0]) == 3


def test_a_run_of_another_competition_is_refused(
    digits_there: Loopback, small_run: kit.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["submit", "mnist", str(small_run.path), "-m", "x"]) == 2
    assert "is a run of digits, not of mnist" in capsys.readouterr().err


def test_a_hanging_upload_ends(digits_there: Loopback, small_run: kit.Run) -> None:
    digits_there.faults = {"PUT": ["hang"]}
    began = time.monotonic()
    with pytest.raises(Unreachable, match="did not answer"):
        submit("digits", small_run.path, "x", seconds=3, quiet=True)
    assert time.monotonic() - began < 20


def test_the_spinner_only_turns_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = console.Waiting()
    for _ in range(3):
        waiting.wait("scoring", 0.01)
    assert capsys.readouterr().err == "scoring …\n"


def test_the_key_is_in_no_ledger(digits_there: Loopback, small_run: kit.Run) -> None:
    digits_there.faults = {"CreateSubmission": [(400, f"bad key {os.environ['KAGGLE_KEY']}")]}
    with pytest.raises(Unreachable) as caught:
        submit("digits", small_run.path, "x", quiet=True)
    assert KEY not in str(caught.value)
    submit("digits", small_run.path, "x", wait=True, quiet=True)
    assert KEY not in ledger.PLACE.read_text()
