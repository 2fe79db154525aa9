"""Unpack: an archive of a competition into its folder, all or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from kit.console import say
from kit.storage import archives, files


def unpacked(archive: Path, folder: Path, quiet: bool = False) -> Path:
    """Unpack an archive beside it, all or nothing; entries that point outside, links and bombs are refused (BadData).

    `train.zip` with `train/1.png` or with `1.png` both become `train/1.png`; a lone `train.csv` in `train.csv.zip` becomes
    `train.csv`; the archive of the whole competition fills the folder itself.
    """
    store = archives.open_store(archive)
    names = store.names
    stem = archive.name
    for suffix in sorted(archives.ARCHIVES, key=len, reverse=True):
        stem = stem.removesuffix(suffix)
    tops = {PurePosixPath(name).parts[0] for name in names}
    alone = stem == folder.name or tops == {stem}
    goal = folder if alone else folder / stem
    staged = folder / f".tmp-unpack-{stem}"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        if store.random:
            for name in names:
                _put(staged, name, store.read(name))
        else:
            store.each(names, lambda name, data: _put(staged, name, data))
        _move(staged, goal)
    except OSError as fault:
        raise files.disk_error(staged, fault) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    if not quiet:
        say(f"{archive} → {folder / stem}  ({len(names):,} files)")
    return goal


def _move(staged: Path, goal: Path) -> None:
    """What was unpacked takes the place of what was there."""
    for top in sorted(staged.iterdir()):
        target = goal / top.name
        if target.is_dir():
            shutil.rmtree(target)
        goal.mkdir(parents=True, exist_ok=True)
        top.replace(target)


def _put(staged: Path, name: str, data: bytes) -> None:
    path = staged / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
