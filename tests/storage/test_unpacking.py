"""Tables in packed files: bounds that are looked at before anything is read."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pytest

from kit import resources
from kit.errors import BadData
from kit.storage import files

ROWS = b"1,1\n" * (1 << 20)  # 4 MB, a thousandth of that when packed
WAYS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def pack(folder: Path, suffix: str, data: bytes) -> None:
    path = folder / f"train.csv{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("train.csv", data)
    else:
        path.write_bytes(WAYS[suffix](data) if suffix else data)


@pytest.mark.parametrize("suffix", [".zip", *WAYS])
def test_a_table_that_swells_beyond_reason_is_refused(tmp_path: Path, suffix: str) -> None:
    pack(tmp_path, suffix, ROWS)
    with pytest.raises(BadData, match=r"refused: 'train\.csv' in it swells from [\d,]+ bytes to"):
        files.read(tmp_path, "train.csv")


@pytest.mark.parametrize("suffix", ["", ".zip", *WAYS])
def test_a_table_beyond_the_free_memory_is_refused_before_it_is_read(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = b"".join(b"%d,%d\n" % (i, i * i) for i in range(100_000))
    pack(tmp_path, suffix, table)
    assert files.read(tmp_path, "train.csv") == table
    monkeypatch.setattr(resources, "free_memory", lambda: 1_000_000)
    with pytest.raises(BadData, match=r"0\.0 GB are free"):
        files.read(tmp_path, "train.csv")


def test_free_memory_is_what_a_process_limit_leaves() -> None:
    resource = pytest.importorskip("resource")
    free, before = resources.free_memory(), resource.getrlimit(resource.RLIMIT_AS)
    assert free is not None
    assert free > 1 << 20
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), before[1]))
    try:
        left = resources.free_memory()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert left is not None
    assert 128 << 20 < left <= 256 << 20
