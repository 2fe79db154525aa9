"""Stores: a folder, zip, tar and 7z hold the same files, and an archive that means harm is refused with nothing written."""

import importlib.util
import io
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import py7zr
import pytest
from hypothesis import given, settings, strategies as st

from kit.errors import BadData, Usage
from kit.storage import archives

KINDS = ("zip", "tar", "tar.gz", "tgz", "7z")
Files = dict[str, bytes]


def pack(path: Path, files: Files) -> Path:
    """An archive by its suffix; names are written as they stand, however hostile."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    elif path.suffix == ".7z":
        with py7zr.SevenZipFile(path, "w") as archive:
            for name, data in files.items():
                archive._writestr(data, name)  # the public one refuses hostile names
    else:
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return path


def unpacked(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """What happens inside must get by with so many bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def gathered(store: archives.Store, names: list[str]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    store.each(names, lambda name, data: found.append((name, data)))
    return sorted(found)


@pytest.fixture
def nothing_is_written(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Call it when the stage is set: at the end there must be the same files with the same bytes, here and above."""
    before: list[Files] = []

    def listing() -> Files:
        below = {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(tmp_path.rglob("*"))}
        return below | {str(path): b"" for path in (*tmp_path.parent.iterdir(), *Path("/").iterdir())}

    yield lambda: before.append(listing())
    assert before == [listing()]


FILES: Files = {"a.png": b"A" * 10, "deep/er/b.png": bytes(range(256)) * 50, "deep/c d.txt": b"", "ünï.png": b"u"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_holds_what_the_folder_holds(kind: str, tmp_path: Path) -> None:
    folder = archives.open_store(unpacked(tmp_path / "plain", FILES))
    store = archives.open_store(pack(tmp_path / f"x.{kind}", FILES))
    assert sorted(store.names) == sorted(folder.names) == sorted(FILES)
    for name, data in FILES.items():
        assert store.read(name) == folder.read(name) == data
    assert gathered(store, list(FILES)) == gathered(folder, list(FILES)) == sorted(FILES.items())
    assert gathered(store, ["deep/er/b.png"]) == [("deep/er/b.png", FILES["deep/er/b.png"])]
    assert gathered(store, []) == []


NAMES = st.lists(
    st.text("abc0. é", min_size=1, max_size=6).map(str.strip).filter(lambda n: n.strip(".")), min_size=1, max_size=3
)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "7z"])
@settings(max_examples=15)
@given(st.dictionaries(NAMES.map("/".join), st.binary(max_size=300), max_size=5))
def test_what_is_packed_comes_out(kind: str, tmp_path_factory: pytest.TempPathFactory, files: Files) -> None:
    files = files or {"only": b"one"}
    store = archives.open_store(pack(tmp_path_factory.mktemp("one") / f"x.{kind}", files))
    assert gathered(store, list(files)) == sorted(files.items())


@pytest.mark.parametrize("kind", ["folder", *KINDS])
def test_a_file_that_is_not_there_is_a_key_error(kind: str, tmp_path: Path) -> None:
    path = unpacked(tmp_path / "x", FILES) if kind == "folder" else pack(tmp_path / f"x.{kind}", FILES)
    with pytest.raises(KeyError):
        archives.open_store(path).read("none.png")


def test_links_in_a_folder_are_followed(tmp_path: Path) -> None:
    """Mounts are made of them: of files, and of whole folders."""
    unpacked(tmp_path / "elsewhere", {"1.png": b"1", "sub/2.png": b"2"})
    (tmp_path / "x").mkdir()
    (tmp_path / "x/file.png").symlink_to(tmp_path / "elsewhere/1.png")
    (tmp_path / "x/ants").symlink_to(tmp_path / "elsewhere")
    store = archives.open_store(tmp_path / "x")
    assert gathered(store, store.names) == [("ants/1.png", b"1"), ("ants/sub/2.png", b"2"), ("file.png", b"1")]


def test_the_folders_of_a_mac_are_passed_over(tmp_path: Path) -> None:
    assert archives.open_store(pack(tmp_path / "x.zip", {"a.png": b"a", "__MACOSX/._a.png": b"x"})).names == ["a.png"]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "7z"])
@pytest.mark.parametrize("name", ["../out", "in/../../out", "/tmp/out", "..\\out", "in\\..\\out", "\\out", "C:/out", "C:\\out"])
def test_an_entry_that_points_outside_is_refused(
    name: str, kind: str, tmp_path: Path, nothing_is_written: Callable[[], None]
) -> None:
    store = archives.open_store(pack(tmp_path / f"x.{kind}", {"good.png": b"good", name: b"bad"}))
    nothing_is_written()
    for use in (lambda: store.names, lambda: store.read("good.png"), lambda: store.read(name)):
        with pytest.raises(BadData, match=r"x\.\S+: refused: its entry '.*' points outside"):
            use()


def linked(kind: str, path: Path) -> Path:
    """An archive with a link in it."""
    if kind == "zip":
        entry = zipfile.ZipInfo("link")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
            archive.writestr(entry, "/etc/passwd")
        return path.with_suffix(".zip")
    if kind == "7z":
        path.with_name("link").symlink_to("target")
        path.with_name("target").write_bytes(b"aim")
        with py7zr.SevenZipFile(path.with_suffix(".7z"), "w") as archive:
            archive.write(path.with_name("link"), "link")
        return path.with_suffix(".7z")
    kinds = {"soft": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
    with tarfile.open(path.with_suffix(".tar"), "w") as archive:
        entry = tarfile.TarInfo("link")
        entry.type, entry.linkname = kinds[kind], "/etc/passwd"
        archive.addfile(entry)
    return path.with_suffix(".tar")


@pytest.mark.parametrize("kind", ["zip", "7z", "soft", "hard", "device", "pipe"])
def test_a_link_in_an_archive_is_refused(kind: str, tmp_path: Path, nothing_is_written: Callable[[], None]) -> None:
    store = archives.open_store(linked(kind, tmp_path / "x"))
    nothing_is_written()
    for use in (lambda: store.names, lambda: store.read("link")):
        with pytest.raises(BadData, match="its entry 'link' is a link"):
            use()


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "7z"])
def test_a_bomb_is_refused_before_it_swells(kind: str, tmp_path: Path, nothing_is_written: Callable[[], None]) -> None:
    """Zeros, a thousand to one."""
    path = pack(tmp_path / f"x.{kind}", {"zeros": bytes(30 << 20)})
    assert path.stat().st_size * 900 < 30 << 20
    nothing_is_written()
    with memory_below(20 << 20), pytest.raises(BadData, match=r"'zeros' swells from .* to 31,457,280 bytes"):
        archives.open_store(path).read("zeros")


def test_a_sparse_file_in_a_tar_is_refused(tmp_path: Path) -> None:
    """Four terabytes of nothing, as GNU tar writes them."""
    entry = tarfile.TarInfo("hole")
    entry.type, entry.size = tarfile.GNUTYPE_SPARSE, 0
    header = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"\x80" + (1 << 42).to_bytes(11, "big")  # its size when unpacked
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "x.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(BadData, match=r"'hole' swells from .* to 4,398,046,511,104 bytes"):
        archives.open_store(tmp_path / "x.tar").read("hole")


@pytest.mark.parametrize("names_hidden", [True, False])
def test_a_7z_with_a_password_is_named(names_hidden: bool, tmp_path: Path) -> None:
    with py7zr.SevenZipFile(tmp_path / "x.7z", "w", password="secret", header_encryption=names_hidden) as archive:
        archive.writestr(b"a", "a.png")
    with pytest.raises(BadData, match=r"x\.7z: is encrypted"):
        archives.open_store(tmp_path / "x.7z").read("a.png")


def test_a_zip_with_an_encrypted_entry_is_named(tmp_path: Path) -> None:
    pack(tmp_path / "x.zip", {"a.png": b"a", "b.png": b"b"})
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the last entry's flags in the list at the end
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(BadData, match=r"x\.zip: is encrypted"):
        _ = archives.open_store(tmp_path / "x.zip").names


def test_a_zip_that_lies_about_its_size_takes_no_more_memory_than_it_says(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"zeros": bytes(100 << 20)})
    size = (100 << 20).to_bytes(4, "little")
    assert path.read_bytes().count(size) == 2
    path.write_bytes(path.read_bytes().replace(size, (1000).to_bytes(4, "little")))
    with memory_below(20 << 20), pytest.raises(BadData):
        archives.open_store(path).read("zeros")


def test_an_honest_file_of_many_zeros_is_read(tmp_path: Path) -> None:
    """As a sample submission is: some 300 to 1."""
    table = "id,label\n" + "".join(f"{i:07d},0.0,0.0,0.0,0.0,0.0\n" for i in range(50_000))
    for kind in ("zip", "tar.gz", "7z"):
        assert archives.open_store(pack(tmp_path / f"x.{kind}", {"a.csv": table.encode()})).read("a.csv") == table.encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["truncated", "garbage", "empty", "text"])
def test_a_broken_archive_is_named(how: str, kind: str, tmp_path: Path, nothing_is_written: Callable[[], None]) -> None:
    path = pack(tmp_path / f"x.{kind}", {"a.png": bytes(range(256)) * 40, "b.png": b"b" * 5000})
    data = path.read_bytes()
    broken = {"truncated": data[: len(data) * 2 // 3], "garbage": b"\x8b" * 3000, "empty": b"", "text": b"id,label\n1,2\n" * 99}
    path.write_bytes(broken[how])
    nothing_is_written()
    with pytest.raises(BadData, match=rf"x\.{kind}.*(?s:.*)Download it again") as caught:
        gathered(archives.open_store(path), archives.open_store(path).names)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "7z"])
def test_a_flipped_bit_gives_the_same_bytes_or_is_noticed(kind: str, tmp_path: Path) -> None:
    path, files = tmp_path / f"x.{kind}", {f"{i}.png": bytes((i * j * j) % 251 for j in range(400)) for i in range(5)}
    data = bytearray(pack(path, files).read_bytes())
    noticed = 0
    for place in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            found = dict(gathered(store := archives.open_store(path), [one for one in store.names if one in files]))
        except BadData as fault:
            assert str(path) in str(fault)
            noticed += 1
        else:
            wrong = {name for name in found if found[name] not in (files[name], b"")}
            assert not wrong
            noticed += found != files
    assert noticed > 20


def test_without_py7zr_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "train.7z", FILES)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "py7zr" else find(name, *rest))
    with pytest.raises(Usage, match=r"train\.7z.*extra `archives`.*7z x train\.7z"):
        archives.open_store(path)
    assert archives.open_store(pack(tmp_path / "train.zip", FILES)).read("a.png") == FILES["a.png"]


def test_a_folder_is_preferred_to_an_archive_and_archives_are_found_by_suffix(tmp_path: Path) -> None:
    assert archives.find(tmp_path, "train") is None
    for kind in reversed(archives.ARCHIVES):
        pack(tmp_path / f"train{kind}", FILES)
        assert archives.find(tmp_path, "train") == tmp_path / f"train{kind}"
    unpacked(tmp_path / "train", FILES)
    assert archives.find(tmp_path, "train") == tmp_path / "train"
    assert archives.find(tmp_path, "") == tmp_path
