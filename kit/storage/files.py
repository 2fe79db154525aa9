"""Files: found whether plain, zipped or unpacked; written whole or not at all."""

import errno
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO

from kit.errors import BadData, DiskError
from kit.storage.archives import unpacking

TEMPORARY = ".tmp-"  # how the names of files begin that are being written
HASH_WHOLE_BELOW = 512 << 20  # bytes; a rerun must say within two seconds that it is complete


def find(root: Path, name: str) -> Path | None:
    """The file that holds the file `name` below `root`.

    It is itself, packed (.zip, .gz, .bz2, .xz), in a folder of its name (as some mounts have it), or in the only zip of `root`
    that has it.
    """
    packed = [root / f"{name}{suffix}" for suffix in (".zip", *unpacking.STREAMS)]
    for candidate in (root / name, *packed, root / name / name, root / Path(name).stem / name):
        if candidate.is_file():
            return candidate
    if not root.is_dir():
        return None
    holders = [path for path in sorted(root.glob("*.zip")) if path.is_file() and name in members(path, path.stat().st_mtime_ns)]
    return holders[0] if len(holders) == 1 else None


@cache
def members(path: Path, changed: int) -> frozenset[str]:
    """The names of a zip's files, without folders; none where it is broken. Looked up once while it has this time."""
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(Path(name).name for name in archive.namelist() if not name.startswith("__MACOSX"))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return frozenset()


def read(root: Path, name: str) -> bytes:
    """The bytes of `name` below `root`, unpacked if need be.

    Raises BadData if it is missing, empty or a broken archive, swells beyond reason or does not fit the memory, DiskError if
    it cannot be read.
    """
    path = find(root, name)
    if path is None:
        raise BadData(f"{root / name}: no such file (nor {name}.zip).\nIs {root} the competition's folder? See --data.")
    data = unpacking.content(path, name)
    if not data or data.isspace():
        raise BadData(f"{path}: the file is empty. Download it again.")
    return data


def fingerprint(root: Path, paths: list[Path], by_time: bool = False) -> str:
    """16 hex digits that change when any of these files below `root` changes its name, size or content.

    Where they are more than HASH_WHOLE_BELOW bytes in all, names and sizes must do, with `by_time` also times (which a
    copy on another machine does not share).
    """
    digest = hashlib.sha256()
    stats = {path: path.stat() for path in paths}
    whole = sum(one.st_size for one in stats.values()) < HASH_WHOLE_BELOW
    for path in sorted(paths):
        one = stats[path]
        digest.update(f"{path.relative_to(root).as_posix()}:{one.st_size}\n".encode())
        if whole:
            digest.update(_digest(path, one.st_size, one.st_mtime_ns))
        elif by_time:
            digest.update(f"{one.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def checksum(path: Path) -> str:
    """The sha256 of a file's content in hex, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: Path) -> bytes:
    """The sha256 of a file's content, taken once while the file has this size and time."""
    known = path.stat()
    return _digest(path, known.st_size, known.st_mtime_ns)


@cache
def _digest(path: Path, size: int, changed: int) -> bytes:
    return bytes.fromhex(checksum(path))


def write(path: Path, content: str | bytes | Callable[[IO[bytes]], object]) -> None:
    """Write a file atomically: a temporary name in the same folder, flushed to disk, then renamed.

    `content` is text, bytes, or a function that writes to the open file. Raises DiskError; then `path` is as it was.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, suffix=f"-{path.name}"[-60:], dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as fault:
        raise disk_error(path, fault) from fault
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def disk_error(path: Path, fault: OSError) -> DiskError:
    """An OSError in words: full, read-only, not permitted."""
    full = fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    advice = "Free some space" if full else "Choose another folder with --out"
    return DiskError(f"{path}: cannot be written ({fault.strerror or fault}).\n{advice}; what was written before is intact.")


def sweep(folder: Path, deep: bool = True) -> None:
    """Remove what a killed writer left under its temporary name; `deep`: in the folders below too."""
    for leftover in folder.glob(f"{'**/' if deep else ''}{TEMPORARY}*"):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # Windows cannot open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
