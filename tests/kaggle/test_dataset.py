"""Dataset: on Kaggle is what was laid out here, private, once; anything less is a failure before the kernel is pushed."""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from conftest import command
from loopback import KEY, TOKEN, Loopback

import kit
from kit.cli.app import main
from kit.errors import Stopped, Unreachable, Usage
from kit.kaggle import api as clients, bundle, dataset, kernel, push

NAME = "ada/kit-digits-run"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time between two looks."""
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    monkeypatch.setattr(dataset, "PACE", clients.Pace(first=0.01, longest=0.02, limit=3600))


@pytest.fixture
def there(kaggle: Loopback, small_run: kit.Run) -> Loopback:
    """Kaggle, and a kernel built here with its dataset."""
    kaggle.slug = "digits"
    kernel.build("digits", small_run)
    return kaggle


def held(there: Loopback) -> dict[str, bytes]:
    """The files of the dataset on Kaggle."""
    return there.datasets[NAME]["files"]


def laid_out() -> dict[str, bytes]:
    """The files of the dataset here."""
    place = Path("runs/digits/kernel/dataset")
    return {path.name: path.read_bytes() for path in place.iterdir() if path.name != dataset.METADATA}


def names(there: Loopback) -> list[str]:
    """What Kaggle was asked for, in order."""
    return [name for name, _ in there.asked]


def test_one_command_uploads_the_dataset_waits_and_pushes_the_kernel(
    there: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.dataset_states = ["NOT_YET_PERSISTED", "BLOBS_RECEIVED", "INDIVIDUAL_BLOBS_COMPRESSED", "READY"]
    assert main(["kernel", "push", "digits"]) == 0
    assert held(there) == laid_out() and there.datasets[NAME]["private"] is True
    asked = names(there)
    assert (
        asked.index("CreateDataset") < asked.index("GetDatasetStatus", asked.index("CreateDataset")) < asked.index("SaveKernel")
    )
    assert there.kernel["datasetDataSources"] == [NAME]
    said = capsys.readouterr()
    assert f"to the private dataset {NAME}" in said.err and "ada/kit-digits version 3" in said.out
    identity = kernel.Built(Path("runs/digits/kernel")).settings["attached"]
    for name, data in held(there).items():
        (tmp_path / "mount/any").mkdir(parents=True, exist_ok=True)
        (tmp_path / "mount/any" / name).write_bytes(data)
    assert kit.load(bundle.find(identity, tmp_path / "mount", tmp_path / "found") / "run").complete


def test_the_same_content_is_uploaded_once_and_another_is_a_new_version(there: Loopback, small_run: kit.Run) -> None:
    push.push("digits", quiet=True)
    first = names(there).count("StartBlobUpload")
    kernel.build("digits", small_run, notebook=True)  # another kernel, the same run
    push.push("digits", quiet=True)
    assert names(there).count("StartBlobUpload") == first and there.count("SaveKernel") == 2
    run = json.loads((small_run.path / "run.json").read_text())
    place = Path(shutil.copytree(small_run.path, "other/run"))
    (place / "run.json").write_text(json.dumps(run | {"commit": "0" * 40}))
    (place / "manifest.json").unlink()
    kernel.build("digits", kit.load(place))
    there.dataset_states = ["READY", "BLOBS_RECEIVED", "READY"]  # the version before is seen for a while
    push.push("digits", quiet=True)
    assert (there.count("CreateDataset"), there.count("CreateDatasetVersion")) == (1, 1)
    assert held(there) == laid_out() and b"0" * 40 in held(there)["run--run.json"]


def test_a_push_that_was_cut_off_while_it_waited_goes_on(there: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    there.dataset_states = ["BLOBS_RECEIVED"] * 3 + ["READY"]
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "PACE", clients.Pace(first=0.01, longest=0.02, limit=-1))
        with pytest.raises(Stopped, match="goes on waiting"):
            push.push("digits", quiet=True)
    assert there.count("SaveKernel") == 0
    push.push("digits", quiet=True)
    assert (there.count("CreateDataset"), there.count("CreateDatasetVersion"), there.count("SaveKernel")) == (1, 0, 1)


def test_a_packed_manifest_is_read(there: Loopback) -> None:
    push.push("digits", quiet=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(bundle.MANIFEST, held(there)[bundle.MANIFEST])
    held(there)[bundle.MANIFEST] = packed.getvalue()
    push.push("digits", quiet=True)
    assert there.count("CreateDatasetVersion") == 0


@pytest.mark.parametrize("lost", ["run--fold1--model.ckpt", bundle.MANIFEST])
def test_a_file_that_the_client_left_out_is_a_failure_and_mended_by_the_same_command(there: Loopback, lost: str) -> None:
    there.faults = {f"PUT {lost}": [500]}
    with pytest.raises(Unreachable, match=f"lost '{lost}'"):
        push.push("digits", quiet=True)
    assert there.count("SaveKernel") == 0 and lost not in held(there)
    push.push("digits", quiet=True)
    assert held(there) == laid_out() and there.count("SaveKernel") == 1


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"dataset_states": ["BLOBS_RECEIVED", "FAILED"]}, r"could not make the dataset .* \(FAILED\)"),
        ({"dataset_answer": {"error": "You are over your quota"}}, "did not take the dataset .*over your quota"),
        ({"faults": {"CreateDataset": [(403, "Verify your phone")]}}, "403: Verify your phone"),
        ({"faults": {"GetDataset": [401]}}, "refuses the credentials"),
    ],
)
def test_what_goes_wrong_is_told_before_the_kernel_is_pushed(there: Loopback, told: dict, words: str) -> None:
    for name, value in told.items():
        setattr(there, name, value)
    with pytest.raises(Unreachable, match=words):
        push.push("digits", quiet=True)
    assert there.count("SaveKernel") == 0 and not Path("runs/digits/kernel/pushed.json").exists()


def test_a_version_that_failed_is_followed_by_another(there: Loopback) -> None:
    there.dataset_states = ["FAILED"]
    with pytest.raises(Unreachable):
        push.push("digits", quiet=True)
    there.dataset_states = ["READY"]
    push.push("digits", quiet=True)
    assert held(there) == laid_out()


def test_nothing_is_uploaded_to_a_public_dataset(there: Loopback) -> None:
    there.datasets[NAME] = {"files": {}, "next": {}, "states": ["READY"], "private": False}
    with pytest.raises(Usage, match="is a public dataset"):
        push.push("digits", quiet=True)
    assert there.count("StartBlobUpload") == there.count("SaveKernel") == 0


def test_a_kernel_without_a_dataset_uploads_none(there: Loopback) -> None:
    kernel.build("digits")
    push.push("digits", quiet=True)
    assert there.count("StartBlobUpload") == 0 and there.count("SaveKernel") == 1


def test_a_hang_ends_in_time(there: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    there.faults = {"GetDataset": ["hang"]}
    assert main(["kernel", "push", "digits", "--timeout", "3"]) == 69
    assert "did not answer within 3 s" in capsys.readouterr().err


def test_a_planted_token_is_in_no_output_and_in_no_upload(there: Loopback) -> None:
    environment = {**os.environ, "KAGGLE_API_TOKEN": TOKEN, "VERBOSE": "1"}
    for faults in ({}, {"CreateDatasetVersion": [400]}):
        there.faults = faults
        there.datasets.update({NAME: {**there.datasets[NAME], "files": {}, "next": {}}} if NAME in there.datasets else {})
        done = command("kernel", "push", "digits", "--debug", env=environment)
        assert done.returncode == (69 if faults else 0), done.stderr
        for secret in (KEY, TOKEN, "secret", "Authorization"):
            assert secret not in done.stdout + done.stderr
    for name, data in [*there.uploads.items(), ("kernel", json.dumps(there.kernel).encode())]:
        assert KEY.encode() not in data and TOKEN.encode() not in data, name
