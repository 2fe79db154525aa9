"""Garbage in Kaggle's place (login pages, half answers, other types): said in words, in time, never taken for an answer."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import requests
from loopback import Answer, Loopback

from kit.cli.app import main
from kit.errors import KitError, Unreachable
from kit.kaggle import api as clients, download
from kit.kaggle.api import Kaggle
from kit.kaggle.client import process

PAGE = b"<!DOCTYPE html><html><body>Sign in to AirportWiFi</body></html>"
ANY = {  # for whatever is asked
    "a login page": Answer(PAGE, "text/html"),
    "a login page that says it is JSON": Answer(PAGE),
    "nothing": Answer(b""),
    "half of an object": Answer(b'{"files": [{"na'),
    "a list": Answer(b"[]"),
    "a number": Answer(b"7"),
    "null": Answer(b"null"),
    "bytes": Answer(bytes(range(256)), "application/octet-stream"),
    "an error as a list": Answer(b"[1]", status=500),
    "an error as a page": Answer(PAGE, "text/html", 502),
    "a refusal as a page": Answer(PAGE, "text/html", 403),
    "a redirection to nowhere": Answer(b"", status=302),
    "too often, in a year": Answer(b'{"code": 429, "message": "no"}', status=429, headers={"Retry-After": "31536000"}),
}
OF_FILES = {
    "files as a text": {"files": "train.csv"},
    "files as texts": {"files": ["train.csv"]},
    "a name as a number": {"files": [{"name": 7, "totalBytes": 3}]},
    "a file without a name": {"files": [{"totalBytes": 3}]},
    "a size as a text": {"files": [{"name": "a.csv", "totalBytes": "many"}]},
    "a size as a list": {"files": [{"name": "a.csv", "totalBytes": [3]}]},
}
OF_SUBMISSIONS = {
    "submissions as a number": {"submissions": 3},
    "submissions as texts": {"submissions": ["first"]},
    "a submission that is empty": {"submissions": [{}]},
    "a status as a list": {"submissions": [{"ref": 1, "status": ["COMPLETE"]}]},
}
NAMES = ["a" * 400 + ".csv", "a\nb.csv", "a\x1b[2K.csv", "../a.csv", "", "C:a.csv"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PAUSE", 0.01)


def test_no_garbage_is_taken_for_an_answer(kaggle: Loopback) -> None:
    """By one client, as the command's own look at each answer is what is tested."""
    asked = [
        ("files", "ListDataFiles", OF_FILES),
        ("submissions", "ListSubmissions", OF_SUBMISSIONS),
        ("limits", "GetSubmissionLimits", {}),
    ]
    with Kaggle(kaggle.slug, seconds=20, quiet=True) as client:
        for call, method, more in asked:
            for what, answer in (ANY | {name: Answer(json.dumps(body).encode()) for name, body in more.items()}).items():
                kaggle.faults[method] = [answer] * clients.TRIES
                began = time.monotonic()
                with pytest.raises(Unreachable) as caught:
                    client.call(call, slug=kaggle.slug)
                said = str(caught.value)
                assert time.monotonic() - began < 20, what
                assert not re.search(r"[a-z]Error|Expecting|Exception", said), (call, what, said)
                assert len(said.splitlines()) <= 2, (call, what, said)
        kaggle.faults.clear()
        assert client.call("files", slug=kaggle.slug) == {"files": [], "next": ""}


@pytest.mark.parametrize("what", ["a login page", "too often, in a year"])
def test_commands_say_what_answers_in_kaggles_place(kaggle: Loopback, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle.faults = {"ListDataFiles": [ANY[what]] * 9}
    began = time.monotonic()
    assert main(["download", "mnist", "--quiet", "--timeout", "20"]) == 69
    said = capsys.readouterr().err
    wanted = {"a login page": "is not what it should be: an HTML page", "too often, in a year": "Try again in 8760:00:00"}
    assert wanted[what] in said
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("-1", 0.0), ("nan", None), ("inf", None), ("tomorrow", None)])
def test_only_seconds_are_waited_for(said: str, seconds: float | None) -> None:
    answer = requests.Response()
    answer.headers["Retry-After"] = said
    assert process._wait(answer) == seconds


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_folder_can_hold_is_refused(name: str) -> None:
    with pytest.raises(KitError, match="refused: Kaggle names a file"):
        download._safe(name, "", "")


def test_a_page_in_the_place_of_a_file_is_not_saved(kaggle: Loopback, tmp_path: Path) -> None:
    kaggle.files = {"train.csv": PAGE}
    kaggle.faults = {"DownloadDataFile": [Answer(PAGE, "text/html")] * 9}
    assert main(["download", "mnist", "--quiet", "--out", str(tmp_path / "data")]) == 69
    assert not list((tmp_path / "data").rglob("*.csv"))
