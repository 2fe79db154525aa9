"""Errors and files: found in every form, written whole or not at all, and every failure says where and how to mend it."""

import errno
import io
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings, strategies as st

from kit import errors
from kit.errors import BadData, DiskError, KitError
from kit.storage import files

TABLE = b"id,label\n1,cat\n"


def zipped(content: bytes, name: str = "train.csv") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def lay_out(root: Path, form: str) -> Path:
    place, content = {
        "plain": (root / "train.csv", TABLE),
        "zip": (root / "train.csv.zip", zipped(TABLE)),
        "zip with a folder inside": (root / "train.csv.zip", zipped(TABLE, "deep/train.csv")),
        "folder of that name": (root / "train.csv" / "train.csv", TABLE),
        "folder of its stem": (root / "train" / "train.csv", TABLE),
    }[form]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


@pytest.mark.parametrize("form", ["plain", "zip", "zip with a folder inside", "folder of that name", "folder of its stem"])
def test_a_file_is_found_and_read_in_every_form(form: str, tmp_path: Path) -> None:
    assert files.find(tmp_path, "train.csv") is None
    place = lay_out(tmp_path, form)
    assert files.find(tmp_path, "train.csv") == place
    assert files.read(tmp_path, "train.csv") == TABLE


def test_the_plain_file_comes_before_its_zip(tmp_path: Path) -> None:
    lay_out(tmp_path, "zip")
    (tmp_path / "train.csv").write_bytes(b"newer")
    assert files.read(tmp_path, "train.csv") == b"newer"


def test_a_missing_file_names_its_path_and_the_flag(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"train\.csv: no such file .*\n.*--data") as caught:
        files.read(tmp_path, "train.csv")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b" \r\n\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_empty_file_is_refused(content: bytes, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("train.csv.zip" if packed else "train.csv")
    path.write_bytes(zipped(content) if packed else content)
    with pytest.raises(BadData, match="is empty") as caught:
        files.read(tmp_path, "train.csv")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"PK\3\4 no zip", zipped(TABLE)[:-9], zipped(TABLE, "other.csv"), zipped(TABLE, "__MACOSX/train.csv")]
)
def test_a_broken_or_wrong_zip_is_refused_by_its_path(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "train.csv.zip"
    path.write_bytes(content)
    with pytest.raises(BadData) as caught:
        files.read(tmp_path, "train.csv")
    assert str(path) in str(caught.value)


def test_a_zip_with_a_password_is_named(tmp_path: Path) -> None:
    content = bytearray(zipped(TABLE))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(header) + flags] |= 1
    (tmp_path / "train.csv.zip").write_bytes(content)
    with pytest.raises(BadData, match=r"train\.csv\.zip: is encrypted"):
        files.read(tmp_path, "train.csv")


def test_a_zip_with_one_byte_changed_is_read_right_or_refused(tmp_path: Path) -> None:
    whole, rng, content = zipped(TABLE * 50), random.Random(0), TABLE * 50
    refused = 0
    for _ in range(400):
        changed = bytearray(whole)
        changed[rng.randrange(len(whole))] ^= rng.randrange(1, 256)
        (tmp_path / "train.csv.zip").write_bytes(changed)
        try:
            assert files.read(tmp_path, "train.csv") == content
        except BadData:
            refused += 1
    assert refused > 40


def test_a_folder_in_the_files_place_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").mkdir()
    with pytest.raises(BadData, match="no such file"):
        files.read(tmp_path, "train.csv")


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_what_was_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, text: str, data: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "written"
    for content in (text, data, lambda file: file.write(data)):
        files.write(root / "deep" / "a.bin", content)
        assert (root / "deep" / "a.bin").read_bytes() == (text.encode() if content is text else data)
    assert [path.name for path in (root / "deep").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("fault", [ValueError("no"), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(fault: BaseException, tmp_path: Path) -> None:
    def writer(file: IO[bytes]) -> None:
        file.write(b"half of it")
        raise fault

    files.write(tmp_path / "a.csv", "old")
    with pytest.raises(DiskError if isinstance(fault, OSError) else type(fault)):
        files.write(tmp_path / "a.csv", writer)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.csv": "old"}


@pytest.mark.parametrize("failing", [1, 2])
def test_a_disk_that_cannot_flush_is_code_74(failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's own flush leaves the old file; its folder's comes after the new name."""
    calls = []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == failing:
            raise OSError(errno.EIO, "Input/output error")

    files.write(tmp_path / "a.csv", "old")
    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(DiskError, match=r"a\.csv: cannot be written \(Input/output error\)"):
        files.write(tmp_path / "a.csv", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.csv": "old" if failing == 1 else "new"}


FULL = """
import resource, signal, sys
from pathlib import Path
from kit.storage import files
from kit.errors import DiskError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    files.write(path, b"new" * 10_000)
except DiskError as fault:
    print(fault)
    sys.exit(fault.code)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
@pytest.mark.parametrize(("limit", "code"), [(0, 74), (1, 74), (29_999, 74), (30_000, 0)])
def test_a_full_disk_is_code_74_and_the_old_file_is_intact(limit: int, code: int, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.bin"), str(limit)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert (tmp_path / "a.bin").read_bytes() == (b"old" if code else b"new" * 10_000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    if code:
        assert str(tmp_path / "a.bin") in done.stdout
        assert "Free some space" in done.stdout


def test_a_place_that_cannot_be_written_is_code_74_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DiskError, match="--out") as caught:
        files.write(tmp_path / "file" / "a.csv", "text")
    assert caught.value.code == 74
    assert str(tmp_path / "file" / "a.csv") in str(caught.value)


def test_sweep_removes_what_a_killed_writer_left_and_no_more(tmp_path: Path) -> None:
    for name in ("a.csv", ".tmp-1-a.csv", "fold0/.tmp-2-b.csv", "fold0/tmp.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    files.sweep(tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"a.csv", "tmp.csv"}


def fingerprint(root: Path, **contents: str) -> str:
    """Of files with these contents in a fresh folder, named in either order."""
    root = root / str(len(list(root.iterdir())))
    for name, content in contents.items():
        files.write(root / name.replace("_", "/"), content)
    paths = [path for path in root.rglob("*") if path.is_file()]
    assert files.fingerprint(root, paths) == files.fingerprint(root, paths[::-1])
    return files.fingerprint(root, paths)


def test_the_fingerprint_changes_with_name_size_and_content_and_not_with_the_folder(tmp_path: Path) -> None:
    same = {"a": "12", "b": "3"}
    others = [{"a": "13", "b": "3"}, {"a": "12", "c": "3"}, {"a": "12", "d_b": "3"}, {"a": "1", "b": "23"}, {"a": "12"}]
    assert fingerprint(tmp_path, **same) == fingerprint(tmp_path, **same)
    assert len({fingerprint(tmp_path, **contents) for contents in [same, *others]}) == 6


def test_much_data_is_fingerprinted_by_names_and_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "HASH_WHOLE_BELOW", 3)
    seen = [
        fingerprint(tmp_path, **contents) for contents in ({"a": "12", "b": "3"}, {"a": "99", "b": "3"}, {"a": "1", "b": "23"})
    ]
    assert seen[0] == seen[1] != seen[2]


def test_every_error_has_the_exit_code_of_the_contract() -> None:
    kinds = {errors.Usage: 2, errors.BadData: 65, errors.DiskError: 74, errors.Diverged: 1, KitError: 1}
    assert {kind: kind("x").code for kind in kinds} == kinds
    assert [errors.Stopped("x", signum).code for signum in (0, 2, 15, 1)] == [75, 130, 143, 129]


def test_suggestions_and_lists() -> None:
    assert errors.did_you_mean("epoch", ["lr", "epochs"]) == " Did you mean 'epochs'?"
    assert errors.did_you_mean("zzz", ["lr", "epochs"]) == ""
    assert errors.listed(range(3)) == "'0', '1', '2'"
    assert errors.listed(range(7)) == "'0', '1', '2', '3', '4' and 2 more"
