"""Download: from a server that speaks Kaggle's protocol, by the real client, through every fault a network has."""

import io
import json
import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback import KEY, TOKEN, Loopback

from kit.cli.app import main
from kit.errors import BadData, DiskError, Unreachable, Usage
from kit.kaggle import api as clients, download as downloads
from kit.kaggle.download import download
from kit.kaggle.unpack import unpacked

BIG = bytes(range(256)) * 8000


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less time between two tries."""
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    monkeypatch.setattr(clients, "PAUSE", 0.01)


def failing(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """The exit code and the error of a command that must fail, in at most three lines besides progress."""
    code = main([str(word) for word in (*words, "--quiet")])
    said = capsys.readouterr()
    assert said.out == "" and 1 <= len(said.err.splitlines()) <= 3, said.err
    return code, said.err


def test_every_page_of_files_arrives_whole_where_kit_run_looks(kaggle: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle.files = {f"part{i}.csv": b"%d," % i * 50 for i in range(45)} | {"images/one.png": b"png", "train.csv": BIG}
    assert main(["download", "mnist"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 47
    folder = Path("data/digit-recognizer")
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == kaggle.files
    assert kaggle.count("ListDataFiles") == 3
    assert main(["download", "digit-recognizer", "--quiet"]) == 0
    assert kaggle.count("DownloadDataFile") == 47  # none again


def test_a_cut_is_gone_on_from_and_not_begun_anew(kaggle: Loopback) -> None:
    kaggle.files, kaggle.faults = {"train.csv": BIG}, {"GET": ["cut", "cut"]}
    (path,) = download("mnist", None, False, quiet=True)
    assert path.read_bytes() == BIG
    first, second = (int(one.removeprefix("bytes=").rstrip("-")) for one in kaggle.ranges)
    assert 0 < first < second < len(BIG)


def test_a_later_command_goes_on_too_and_not_onto_another_version(kaggle: Loopback) -> None:
    kaggle.files, kaggle.faults = {"train.csv": BIG}, {"GET": ["cut", *[503] * 20]}
    with pytest.raises(Unreachable, match="goes on from there"):
        download("mnist", "there", False, quiet=True)
    assert not Path("there/train.csv").exists()
    kaggle.faults, kaggle.ranges = {}, []
    shutil.copytree("there", "changed")
    (path,) = download("mnist", "there", False, quiet=True)
    assert path.read_bytes() == BIG and len(kaggle.ranges) == 1
    kaggle.version, kaggle.files, kaggle.ranges = '"v2"', {"train.csv": BIG[::-1]}, []
    (path,) = download("mnist", "changed", False, quiet=True)
    assert path.read_bytes() == BIG[::-1] and kaggle.ranges == []
    assert [one.name for one in Path("changed").iterdir()] == ["train.csv"]


def test_a_half_file_under_the_right_name_is_fetched_again(kaggle: Loopback) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("train.csv", BIG)
    kaggle.files = {"train.csv": BIG[:500], "train.zip": whole.getvalue()}
    Path("d").mkdir()
    Path("d/train.csv").write_bytes(BIG[:100])
    Path("d/train.zip").write_bytes(whole.getvalue()[:-50])
    paths = download("mnist", "d", False, quiet=True)
    assert [path.read_bytes() for path in paths] == list(kaggle.files.values())


def test_a_file_that_is_stored_packed_keeps_its_suffix(kaggle: Loopback) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", BIG)
    kaggle.files = {"test.csv": b"a,b\n"}
    kaggle.output = {"train.csv.zip": packed.getvalue()}  # not listed under this name
    server_lists = kaggle.ListDataFiles
    kaggle.ListDataFiles = lambda ask: {"files": [*server_lists(ask)["files"], {"name": "train.csv", "totalBytes": len(BIG)}]}  # type: ignore[method-assign]
    assert [path.name for path in download("mnist", "d", True, quiet=True)] == ["test.csv", "train.csv.zip"]
    assert Path("d/train.csv").read_bytes() == BIG
    download("mnist", "d", False, quiet=True)
    assert kaggle.count("DownloadDataFile") == 2


def test_more_files_than_many_come_as_one_archive(kaggle: Loopback) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for i in range(150):
            archive.writestr(f"train/{i}.png", b"png%d" % i)
        archive.writestr("train.csv", b"id,label\n")
    kaggle.files = {f"train/{i}.png": b"x" for i in range(150)}
    kaggle.output = {"digit-recognizer.zip": whole.getvalue()}
    (path,) = download("mnist", None, True, quiet=True)
    assert path == Path("data/digit-recognizer/digit-recognizer.zip")
    assert (path.parent / "train.csv").exists() and (path.parent / "train/149.png").read_bytes() == b"png149"
    before = path.stat().st_mtime_ns
    assert download("mnist", None, False, quiet=True) == [path] and path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((403, "You must accept this competition's rules"), ["accept this competition's rules", "/c/digit-recognizer/rules"]),
        (500, ["Kaggle failed (500"]),
        (401, ["$KAGGLE_USERNAME and $KAGGLE_KEY", "settings"]),
    ],
)
def test_a_refusal_is_told_in_words(
    kaggle: Loopback, capsys: pytest.CaptureFixture[str], fault: object, words: list[str]
) -> None:
    kaggle.faults = {"ListDataFiles": [fault] * 20}
    code, said = failing(capsys, "download", "mnist")
    assert code == 69 and all(one in said for one in words) and KEY not in said


def test_a_wrong_slug_is_met_with_the_right_one(kaggle: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle.slug = "dogs-against-cats"  # Kaggle's own search must know it: no adapter does
    code, said = failing(capsys, "download", "dogs-agianst-cats")
    assert code == 69 and "404" in said and "Did you mean 'dogs-against-cats'?" in said


def test_too_many_requests_are_waited_out(kaggle: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle.files, kaggle.faults = {"a.csv": b"a"}, {"ListDataFiles": [429, 429], "DownloadDataFile": [429, 503]}
    assert main(["download", "mnist"]) == 0
    assert "later (429)" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["ListDataFiles", "GET"])
def test_a_hang_ends_within_the_timeout(kaggle: Loopback, capsys: pytest.CaptureFixture[str], where: str) -> None:
    kaggle.files, kaggle.faults = {"a.csv": b"a"}, {where: ["hang"]}
    began = time.monotonic()
    code, said = failing(capsys, "download", "mnist", "--timeout", 2.5)
    assert code == 69 and ("did not answer" in said or "broke off" in said)
    assert time.monotonic() - began < 12


def test_no_network_is_told(kaggle: Loopback, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    code, said = failing(capsys, "download", "mnist")
    assert code == 69 and "cannot be reached" in said


def test_without_credentials_it_says_how_to_get_them(
    kaggle: Loopback, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    code, said = failing(capsys, "download", "mnist")
    assert code == 69 and "kaggle.com/settings" in said and "kaggle.json" in said
    assert kaggle.asked == []


@pytest.mark.parametrize("introspect", [401, None])
def test_a_stale_token_that_hides_a_good_key_is_named(
    kaggle: Loopback, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, introspect: int | None
) -> None:
    home = Path(os.environ["HOME"])
    (home / ".kaggle" / "access_token").write_text("KGAT_stale")
    (home / ".kaggle" / "kaggle.json").write_text(json.dumps({"username": "ada", "key": KEY}))
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name)
    kaggle.faults = {"IntrospectToken": [introspect] * 9} if introspect else {}
    code, said = failing(capsys, "download", "mnist")
    assert code == 69 and "access_token" in said and "kaggle.json" in said and "prefers it" in said
    assert "KGAT_stale" not in said and KEY not in said


def test_a_good_token_serves(kaggle: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle.files = {"a.csv": b"a"}
    assert download("mnist", "d", False, quiet=True) == [Path("d/a.csv")]


def test_a_token_that_breaks_the_header_is_not_shown(
    kaggle: Loopback, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", f"{TOKEN}\nx")  # requests puts the header into its message
    code, said = failing(capsys, "download", "mnist")
    assert code == 69 and TOKEN not in said


def test_a_disk_too_small_is_said_before_anything_is_fetched(kaggle: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    kaggle.files = {"train.csv": BIG}
    monkeypatch.setattr(downloads, "SPARE", shutil.disk_usage(".").free)
    with pytest.raises(DiskError, match="are free"):
        download("mnist", None, False, quiet=True)
    assert kaggle.count("DownloadDataFile") == 0 and not Path("data").exists()


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil", "a/../../evil", "C:\\evil"])
def test_a_file_that_points_outside_is_refused(kaggle: Loopback, name: str) -> None:
    kaggle.files = {name: b"evil"}
    with pytest.raises(BadData, match="points outside"):
        download("mnist", "d", False, quiet=True)
    assert not list(Path().rglob("*evil*"))


def test_an_unknown_name_is_no_slug(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = failing(capsys, "download", "mnits")
    assert code == Usage.code and "'mnist'" in said


def tar_with(name: str, link: str = "") -> bytes:
    """A tar that holds one entry."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        if link:
            entry.type, entry.linkname = tarfile.SYMTYPE, link
        archive.addfile(entry, io.BytesIO())
    return buffer.getvalue()


def zip_with(name: str, data: bytes = b"evil") -> bytes:
    """A zip that holds one entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


HOSTILE: dict[str, Callable[[], bytes]] = {
    "up.zip": lambda: zip_with("../evil"),
    "absolute.zip": lambda: zip_with("/tmp/evil"),
    "bomb.zip": lambda: zip_with("zeros", bytes(20 << 20)),
    "half.zip": lambda: zip_with("evil", os.urandom(5000))[:-40],
    "up.tar": lambda: tar_with("../evil"),
    "link.tar": lambda: tar_with("evil", "/etc/passwd"),
    "half.tar.gz": lambda: b"\x1f\x8b\x08\x00nonsense",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_half_archive_leaves_nothing(name: str) -> None:
    Path("d").mkdir()
    Path("d", name).write_bytes(HOSTILE[name]())
    with pytest.raises(BadData):
        unpacked(Path("d", name), Path("d"), quiet=True)
    assert [path.name for path in Path().rglob("*") if path.is_file()] == [name]


@pytest.mark.parametrize(("inner", "lands"), [("train/1.png", "train/1.png"), ("1.png", "train/1.png")])
def test_an_archive_lands_in_the_folder_of_its_name(inner: str, lands: str) -> None:
    Path("d").mkdir()
    Path("d/train.zip").write_bytes(zip_with(inner, b"one"))
    for _ in range(2):  # again: the same
        unpacked(Path("d/train.zip"), Path("d"), quiet=True)
    assert sorted(path.relative_to("d").as_posix() for path in Path("d").rglob("*") if path.is_file()) == sorted(
        [lands, "train.zip"]
    )


def test_only_who_was_sent_to_the_server_of_these_tests_is_heard_by_it(kaggle: Loopback) -> None:
    """And whatever those ask for is either part of Kaggle or a fault of the kit."""
    import requests

    port = kaggle.server.server_port
    for proxy, heard in ((f"http://127.0.0.1:{port}", 0), (kaggle.environment()["http_proxy"], 1)):
        answer = requests.get("http://elsewhere.localhost/", proxies={"http": proxy}, timeout=10)
        assert (answer.status_code, len(kaggle.strangers)) == ((502, 1) if heard else (407, 0))
    kaggle.strangers.clear()
