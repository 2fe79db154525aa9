"""Joined: several folders and archives read as one store hold the files of each."""

from pathlib import Path

import pytest
from test_archives import pack

from kit.errors import BadData
from kit.storage.archives import open_store
from kit.storage.archives.joined import Joined

FILES = {"a.txt": b"first", "deep/b.txt": b"second"}


@pytest.fixture
def store(tmp_path: Path) -> Joined:
    (tmp_path / "one/deep").mkdir(parents=True)
    for name, data in FILES.items():
        (tmp_path / "one" / name).write_bytes(data)
    pack(tmp_path / "two.zip", {name: data.upper() for name, data in FILES.items()})
    pack(tmp_path / "three.tar.gz", {"c.txt": b"third"})
    return Joined(tmp_path, [open_store(tmp_path / name) for name in ("one", "two.zip", "three.tar.gz")])


def test_every_file_is_read_alone_and_with_others(store: Joined) -> None:
    wanted = {f"0/{name}": data for name, data in FILES.items()} | {f"1/{name}": data.upper() for name, data in FILES.items()}
    wanted["2/c.txt"] = b"third"
    assert {name: store.read(name) for name in store.names} == wanted and not store.random
    read: dict[str, bytes] = {}
    store.each(["1/a.txt", "2/c.txt", "0/deep/b.txt", "1/deep/b.txt"], read.__setitem__)
    assert read == {name: wanted[name] for name in ("1/a.txt", "1/deep/b.txt", "2/c.txt", "0/deep/b.txt")}


def test_a_file_is_named_by_its_own_place(store: Joined, tmp_path: Path) -> None:
    assert store.where("0/a.txt") == f"{tmp_path}/one/a.txt" and store.where("1/a.txt") == f"{tmp_path}/two.zip/a.txt"
    assert store.origin("0/a.txt") == tmp_path / "one/a.txt" and store.origin("2/c.txt") == tmp_path / "three.tar.gz"
    with pytest.raises(KeyError):
        store.read("0/none.txt")
    (tmp_path / "two.zip").write_bytes(b"broken")
    with pytest.raises(BadData, match=r"two\.zip"):
        Joined(tmp_path, [open_store(tmp_path / "two.zip")]).names  # noqa: B018
