"""Cache: arrays come back as they were put, or not at all; no room on disk is no error; nothing is decoded twice."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kit.inputs import Images, image_files
from kit.inputs.base import Keep
from kit.storage import array_cache

BIG = (3, array_cache.SMALL // 2)  # just worth keeping
RNG = np.random.default_rng(0)


def filled(key: str, rows: int = BIG[0], shape: tuple[int, ...] = BIG, notes: dict[str, Any] | None = None) -> np.ndarray:
    """Put random bytes and return what they were."""
    wanted = RNG.integers(0, 256, shape, dtype=np.uint8)

    def fill(array: np.ndarray) -> tuple[int, dict[str, Any]]:
        assert array.shape == shape and array.dtype == np.uint8 and not array.any()
        array[:] = wanted
        return rows, notes or {}

    array, noted = array_cache.put(key, shape, fill)
    assert np.array_equal(array, wanted[:rows])
    assert noted == (notes or {})
    return wanted[:rows]


def kept() -> list[Path]:
    place = array_cache.folder()
    return sorted(place.iterdir()) if place and place.is_dir() else []


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_what_was_put_is_got_with_its_notes_in_as_many_rows_as_count(rows: int) -> None:
    notes = {"7": "a.jpg (id '7'): broken", "ü": "\udcff"}
    wanted = filled("one", rows, notes=notes)
    for _ in range(2):
        found = array_cache.get("one")
        assert found and found[0].dtype == np.uint8
        assert found[0].shape == wanted.shape and np.array_equal(found[0], wanted)
        assert found[1] == notes
    assert len(kept()) == 2


def test_many_shapes_come_back(tmp_path: Path) -> None:
    for i, shape in enumerate([(array_cache.SMALL + 1,), (1, array_cache.SMALL + 1), (99, 300, 300, 1), (1001, 64, 64, 3)]):
        for rows in (shape[0], shape[0] // 2):
            wanted = filled(f"{i}-{rows}", rows, shape)
            found = array_cache.get(f"{i}-{rows}")
            assert found and np.array_equal(found[0], wanted)


def test_another_key_is_another_array() -> None:
    one, other = filled("one"), filled("other")
    assert not np.array_equal(one, other)
    found = [array_cache.get(key) for key in ("one", "other", "none", "on")]
    assert [bool(one) for one in found] == [True, True, False, False]
    assert found[0] and found[1] and np.array_equal(found[0][0], one) and np.array_equal(found[1][0], other)


def test_who_writes_into_an_array_that_was_got_changes_his_own_only() -> None:
    wanted = filled("one")
    found = array_cache.get("one")
    assert found
    found[0][:] = 7
    again = array_cache.get("one")
    assert again and np.array_equal(again[0], wanted)


def test_small_arrays_stay_in_memory() -> None:
    filled("one", shape=(4, array_cache.SMALL // 4), rows=4)
    assert kept() == [] and array_cache.get("one") is None


def test_a_fill_that_fails_leaves_nothing() -> None:
    def fill(array: np.ndarray) -> tuple[int, dict[str, Any]]:
        raise KeyError("so what")

    with pytest.raises(KeyError):
        array_cache.put("one", BIG, fill)
    assert kept() == [] and array_cache.get("one") is None


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("how", ["empty", "half", "text", "gone", "a folder"])
def test_a_damaged_array_is_not_there_and_is_made_anew(how: str, suffix: str) -> None:
    filled("one")
    path = next(one for one in kept() if one.suffix == suffix)
    data = path.read_bytes()
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how != "gone":
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2] or b"{", "text": b"id,label\n"}[how])
    if suffix == ".json" and how == "half":
        path.write_text('{"a": ')
    assert array_cache.get("one") is None
    if how != "a folder":
        wanted = filled("one")
        found = array_cache.get("one")
        assert found and np.array_equal(found[0], wanted)


def test_where_no_folder_can_be_written_arrays_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    for name in ("KIT_CACHE", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / "file" / name))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    assert array_cache.folder() is None and array_cache.room() == 0
    filled("one")
    assert array_cache.get("one") is None


def test_a_read_only_folder_gives_way_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(os, "access", lambda place, _: not str(place).endswith("/cache"))  # root may write anywhere
    filled("one")
    assert array_cache.folder() == tmp_path / "user" / "kaggle-baseline-kit" and array_cache.get("one")


def test_without_room_on_disk_arrays_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map of a full disk would kill the process when it is written to; so the room is taken first."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    filled("one")
    assert kept() == [] and array_cache.get("one") is None


def test_a_limit_on_file_sizes_is_no_room(tmp_path: Path) -> None:
    """The real thing, in a process of its own."""
    script = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from kit.storage import array_cache as cache
def fill(array):
    array[:] = 7
    return 2, {{}}
array, notes = cache.put("one", {BIG}, fill)
assert array.shape == (2, {BIG[1]}) and (array == 7).all() and notes == {{}}
assert cache.get("one") is None and not list(cache.folder().glob("*"))
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_beyond_its_bound_the_array_unused_for_longest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    size = BIG[0] * BIG[1]
    monkeypatch.setattr(array_cache, "KEEP", 3 * size + 1000)

    def used_in_order(keys: str) -> None:
        for age, key in enumerate(keys):
            for path in kept():
                if path.name.startswith(key):
                    os.utime(path, (time.time() - 1000 + age,) * 2)

    for key in "abc":
        filled(key)
    used_in_order("abc")
    assert array_cache.get("a")  # now the newest
    filled("d")
    filled("e")  # each looks before it writes: one over the bound may stand
    assert [bool(array_cache.get(key)) for key in "abcde"] == [True, False, True, True, True]
    used_in_order("cade")  # the looks just now may all be of one tick of the clock
    filled("f")
    assert not array_cache.get("c") and array_cache.get("f")
    assert {path.stem for path in kept() if path.suffix == ".npy"} == {path.stem for path in kept() if path.suffix == ".json"}


def test_what_a_killed_writer_left_is_removed_after_a_day() -> None:
    place = array_cache.folder()
    assert place
    place.mkdir()
    for name, age in ((".tmp-1-old.npy", 90_000), (".tmp-2-new.npy", 80_000)):
        (place / name).write_bytes(b"x")
        os.utime(place / name, (time.time() - age,) * 2)
    filled("one")
    assert [path.name for path in kept() if path.name.startswith(".tmp")] == [".tmp-2-new.npy"]


def test_two_writers_of_one_key_do_not_disturb_each_other() -> None:
    """Two runs on the same new data, started together; in containers they may have the same process id, too."""
    wanted = RNG.integers(0, 256, BIG, dtype=np.uint8)

    def outer(array: np.ndarray) -> tuple[int, dict[str, Any]]:
        array[0] = wanted[0]
        inner, _ = array_cache.put("one", BIG, fill)
        assert np.array_equal(inner, wanted)
        array[1:] = wanted[1:]
        return BIG[0], {}

    def fill(array: np.ndarray) -> tuple[int, dict[str, Any]]:
        array[:] = wanted
        return BIG[0], {}

    array, _ = array_cache.put("one", BIG, outer)
    assert np.array_equal(array, wanted)
    assert len(kept()) == 2


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that were decoded, in order."""
    seen: list[str] = []
    real = image_files.decode

    def counting(data: bytes, where: str, *how: Any) -> np.ndarray:
        seen.append(where)
        return real(data, where, *how)

    monkeypatch.setattr(image_files, "decode", counting)
    return seen


def test_images_are_decoded_once_and_anew_when_a_file_changes(tmp_path: Path, decoded: list[str]) -> None:
    count, side = 30, 240
    frame = pd.DataFrame(index=[f"{i}" for i in range(count)])
    (tmp_path / "x").mkdir()
    for i in range(count):
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"x/{i}.png")
    (tmp_path / "x/4.png").write_bytes(b"broken")
    images = Images("x/{id}.png")

    def load(split: str = "train", size: int = side) -> Any:
        decoded.clear()
        return images.load(tmp_path, frame, split, size, Keep())

    first = load()
    assert len(decoded) == count and first.rows.shape == (count - 1, side, side, 3)
    again = load()
    assert not decoded and np.array_equal(again.rows, first.rows)
    assert again.broken == first.broken and list(first.broken) == ["4"]
    assert load("test").rows.shape[0] == count and len(decoded) == count
    load(size=side + 1)
    assert len(decoded) == count
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "x/7.png")
    changed = load()
    assert len(decoded) == count
    differ = [i for i in range(count - 1) if not np.array_equal(changed.rows[i], first.rows[i])]
    assert differ == [6]  # id 7, as id 4 is left out
