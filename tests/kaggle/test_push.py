"""Push: what Kaggle finds wrong with a kernel is a failure, and only a valid output's version is submitted."""

import json
from pathlib import Path

import pytest
from loopback import TOKEN, Loopback

import kit
from kit.cli.app import main
from kit.errors import BadData, Unreachable, Usage
from kit.kaggle import api as clients, kernel, push, submit
from kit.storage import ledger


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time between two looks."""
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    for module in (push, submit):
        monkeypatch.setattr(module, "PACE", clients.Pace(first=0.01, longest=0.02, limit=3600))


@pytest.fixture
def there(kaggle: Loopback, small_run: kit.Run) -> Loopback:
    """A built kernel, and Kaggle with the output that it will have."""
    kaggle.slug = "digits"
    kaggle.output = {"submission.csv": small_run.submission.read_bytes(), "run/log.txt": b"fine"}
    kernel.build("digits", small_run)
    return kaggle


def test_pushed_followed_fetched_and_that_version_submitted(
    there: Loopback, digits: Path, small_run: kit.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kernel", "push", "digits", "--data", str(digits), "--submit", "by kernel", "--quiet"]) == 0
    assert "COMPLETE" in capsys.readouterr().out
    sent = there.kernel
    built = kernel.Built(Path("runs/digits/kernel"))
    assert (sent["slug"], sent["newTitle"], sent["text"]) == ("ada/kit-digits", "Kit digits", built.code.read_text())
    assert sent.get("enableInternet", False) is False and sent["datasetDataSources"] == ["ada/kit-digits-run"]
    assert Path("runs/digits/kernel/output/run/log.txt").read_bytes() == b"fine"
    code = next(ask for name, ask in there.asked if name == "CreateCodeSubmission")
    assert (code["kernelOwner"], code["kernelSlug"], code["kernelVersion"]) == ("ada", "kit-digits", 3)
    (row,) = ledger.rows("digits")
    assert (row.public, row.message) == (0.99, "by kernel")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "Maximum weekly GPU quota reached"}, "weekly GPU quota"),
        (
            {"invalidDatasetSources": ["ada/kit-digits-run"]},
            "does not know these sources of the kernel: dataset ada/kit-digits-run",
        ),
        ({"invalidCompetitionSources": ["digits"]}, "competition digits"),
    ],
)
def test_what_the_client_passes_over_is_a_failure(there: Loopback, answer: dict, words: str) -> None:
    there.kernel_answer = answer
    with pytest.raises(Unreachable, match=words):
        push.push("digits", quiet=True)
    assert not Path("runs/digits/kernel/pushed.json").exists()


def test_a_kernel_that_fails_shows_why_and_is_not_submitted(
    there: Loopback, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.kernel_states = ["RUNNING", "ERROR"]
    assert main(["kernel", "push", "digits", "--data", str(digits), "--submit", "x", "--quiet"]) == 69
    said = capsys.readouterr().err
    assert "too much memory" in said and "the kernel's log" in said
    assert there.count("CreateCodeSubmission") == 0


def test_a_wrong_output_is_not_submitted(there: Loopback, digits: Path) -> None:
    push.push("digits", quiet=True)
    for wrong, words in ((b"ImageId,Label\n1,eleven\n", "line 2"), (None, "wrote no submission.csv")):
        there.output = {"submission.csv": wrong} if wrong else {"other.csv": b""}
        with pytest.raises(BadData, match=words):
            push.status("digits", message="x", data=digits, quiet=True)
    assert there.count("CreateCodeSubmission") == 0


def test_status_of_a_running_kernel_waits_for_nothing(there: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    there.kernel_states = ["RUNNING"]
    push.push("digits", quiet=True)
    assert main(["kernel", "status", "digits"]) == 0
    assert "ada/kit-digits version 3  RUNNING" in capsys.readouterr().out


def test_a_kernel_of_another_owner_is_told(there: Loopback) -> None:
    push.push("digits", quiet=True)
    there.faults = {"GetKernelSessionStatus": [(403, "Permission 'kernels.get' was denied")]}
    with pytest.raises(Unreachable, match="was denied"):
        push.status("digits", quiet=True)


def test_a_token_fills_the_owner_in(there: Loopback, monkeypatch: pytest.MonkeyPatch, small_run: kit.Run) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    assert kernel.build("digits", small_run).metadata["id"] == "OWNER/kit-digits"
    assert push.push("digits", quiet=True)["id"] == "ada/kit-digits"
    assert json.loads(Path("runs/digits/kernel/dataset/dataset-metadata.json").read_text())["id"] == "ada/kit-digits-run"


def test_what_was_not_built_or_pushed_is_told(small_run: kit.Run) -> None:
    with pytest.raises(Usage, match="kit kernel build"):
        push.push("digits")
    kernel.build("digits", small_run)
    with pytest.raises(Usage, match="kit kernel push"):
        push.status("digits")
