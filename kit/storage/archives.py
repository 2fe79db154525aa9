"""Stores: the files of a folder, zip, tar or 7z, read in place. Nothing is unpacked, so nothing can land outside."""

from __future__ import annotations

import importlib.util
import io
import os
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from kit.errors import BadData, Usage
from kit.storage import files

ARCHIVES = (".zip", ".7z", ".tar", ".tar.gz", ".tgz")
# Deflate reaches 1032:1 on zeros alone. The emptiest honest file met, a sample submission of zeros, is 300:1.
BOMB_RATIO, BOMB_SIZE = 500, 1 << 20
ENCRYPTED = 1  # the bit of a zip entry's flags
Handle = Callable[[str, bytes], None]


class Store(ABC):
    """Files by name (with `/` between folders). `random`: can one be read without reading those before it?"""

    random = True

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    @abstractmethod
    def names(self) -> list[str]:
        """The names of all files. Raises BadData for an archive that is broken or tries to escape its folder."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The content of one file. Raises KeyError where there is none, BadData or OSError where it is broken."""

    def each(self, names: Iterable[str], handle: Handle) -> None:
        """Call `handle(name, content)` for each of these files, in the order that is cheap; b"" for what cannot be read."""
        for name in names:
            try:
                data = self.read(name)
            except (KeyError, OSError, BadData):
                data = b""
            handle(name, data)

    def where(self, name: str) -> str:
        """How to name a file in a message."""
        return f"{self.path}/{name}"

    def broken(self, fault: object) -> BadData:
        """The error for an archive that cannot be read."""
        said = str(fault).partition("\n")[0][:160].rstrip(":") or type(fault).__name__
        return BadData(f"{self.path}: not a readable archive ({said}). Download it again.")

    def check(self, name: str, size: int, packed: int, link: bool = False) -> None:
        """Raise BadData for an entry that points outside, is a link, or swells beyond reason."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if link or name.startswith(("/", "\\")) or ".." in parts or (parts and parts[0].endswith(":")):
            raise BadData(f"{self.path}: refused: its entry {name!r} {'is a link' if link else 'points outside'}.")
        if size > BOMB_SIZE and size > BOMB_RATIO * max(packed, 1):
            raise BadData(f"{self.path}: refused: its entry {name!r} swells from {packed:,} to {size:,} bytes.")


class Folder(Store):
    """An unpacked folder. Links inside are followed: mounts are made of them."""

    @cached_property
    def names(self) -> list[str]:
        return [path.relative_to(self.path).as_posix() for path in walk(self.path)]

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise KeyError(name) from None


def walk(folder: Path) -> list[Path]:
    """The files below a folder, sorted; links to folders are followed (rglob does not), but not round in circles."""
    found: list[Path] = []
    seen: set[str] = set()
    for place, inside, names in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(place))
        inside[:] = [one for one in inside if os.path.realpath(f"{place}/{one}") not in seen]
        found += [Path(place, name) for name in names]
    return sorted(path for path in found if path.is_file())


class Zip(Store):
    """A zip archive."""

    def __init__(self, path: Path):
        super().__init__(path)
        self._opened: dict[tuple[int, int], zipfile.ZipFile] = {}

    def __del__(self) -> None:
        for archive in self._opened.values():
            archive.close()

    @cached_property
    def names(self) -> list[str]:
        return list(self._entries)

    @cached_property
    def _entries(self) -> dict[str, zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                infos = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
        except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError) as fault:
            raise self.broken(fault) from fault
        for one in infos:
            self.check(one.filename, one.file_size, one.compress_size, link=(one.external_attr >> 28) == 0o12)
            if one.flag_bits & ENCRYPTED:
                raise files.encrypted(self.path)
        return {one.filename: one for one in infos}

    def read(self, name: str) -> bytes:
        entry = self._entries[name]
        who = (os.getpid(), threading.get_ident())  # a position in an open file can be shared by neither forks nor threads
        try:
            if who not in self._opened:
                self._opened[who] = zipfile.ZipFile(self.path)
            with self._opened[who].open(entry) as file:
                return file.read(entry.file_size)  # no further, whatever the entry swells to
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as fault:
            raise BadData(f"{self.where(name)}: cannot be read ({fault}).") from fault


class Tar(Store):
    """A tar archive, packed or not; one pass from front to back."""

    random = False

    @cached_property
    def names(self) -> list[str]:
        found = []
        packed = self.path.stat().st_size
        try:
            with tarfile.open(self.path) as archive:
                for one in archive:
                    self.check(one.name, one.size, packed, link=not (one.isreg() or one.isdir()))
                    if one.isreg():
                        found.append(one.name.removeprefix("./"))  # `tar -c .` begins every name with it
                while archive.fileobj and archive.fileobj.read(1 << 20):
                    pass  # a packed one's checksum stands at its end, after all that tarfile reads
        except (tarfile.TarError, EOFError, OSError, zlib.error) as fault:
            raise self.broken(fault) from fault
        return found

    def read(self, name: str) -> bytes:
        found: list[bytes] = []
        self.each([name], lambda _, data: found.append(data))
        if not found:
            raise KeyError(name)
        return found[0]

    def each(self, names: Iterable[str], handle: Handle) -> None:
        wanted = set(names) & set(self.names)
        try:
            with tarfile.open(self.path) as archive:
                for one in archive:
                    name = one.name.removeprefix("./")
                    if name in wanted and one.isreg():
                        wanted.discard(name)
                        file = archive.extractfile(one)
                        handle(name, file.read() if file else b"")
        except (tarfile.TarError, EOFError, OSError, zlib.error) as fault:
            raise self.broken(fault) from fault


class SevenZip(Store):
    """A 7z archive (extra `archives`): solid, so one pass; each file is handed on when it is whole."""

    random = False

    def __init__(self, path: Path):
        super().__init__(path)
        if importlib.util.find_spec("py7zr") is None:
            raise Usage(
                f"{path}: reading 7z needs the extra `archives` (pip install 'kaggle-baseline-kit[archives]');"
                f" or unpack it beside (`7z x {path.name}`)."
            )

    @cached_property
    def names(self) -> list[str]:
        import py7zr

        try:
            with py7zr.SevenZipFile(self.path) as archive:
                if archive.needs_password():
                    raise files.encrypted(self.path)
                entries = [
                    (f.filename, f.uncompressed, bool(f.is_symlink or f.is_junction), f.is_directory) for f in archive.files
                ]
        except BadData:
            raise
        except py7zr.exceptions.PasswordRequired as fault:  # the names are encrypted, too
            raise files.encrypted(self.path) from fault
        except Exception as fault:  # py7zr raises whatever the bytes happen to mean
            raise self.broken(fault) from fault
        packed = self.path.stat().st_size
        for name, size, link, _ in entries:
            self.check(name, size or 0, packed, link)
        self.check("all together", sum(size or 0 for _, size, _, _ in entries), packed)
        return [name for name, _, _, folder in entries if not folder]

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise KeyError(name)
        found: list[bytes] = []
        self.each([name], lambda _, data: found.append(data))
        return found[0] if found else b""

    def each(self, names: Iterable[str], handle: Handle) -> None:
        import py7zr

        wanted = sorted(set(names) & set(self.names))
        try:
            with py7zr.SevenZipFile(self.path) as archive:
                archive.extract(targets=wanted, factory=_factory(handle))
        except BadData:
            raise
        except Exception as fault:
            raise self.broken(fault) from fault


def _factory(handle: Handle) -> Any:
    """What py7zr asks for a place to write to: memory, handed on and freed when a file is whole."""
    from py7zr.io import Py7zIO, WriterFactory

    lock = threading.Lock()  # py7zr unpacks the solid blocks of one archive in threads

    class Sink(Py7zIO):
        def __init__(self, name: str):
            self.name, self.buffer, self.open = name, io.BytesIO(), True

        def write(self, s: bytes | bytearray) -> int:
            return self.buffer.write(s)

        def read(self, size: int | None = None) -> bytes:
            return self.buffer.read(size)

        def seek(self, offset: int, whence: int = 0) -> int:
            return self.buffer.seek(offset, whence)

        def flush(self) -> None:
            pass

        def size(self) -> int:
            return self.buffer.getbuffer().nbytes

        def close(self) -> None:
            if self.open:
                self.open = False
                with lock:
                    handle(self.name, self.buffer.getvalue())
                self.buffer = io.BytesIO()

    class Factory(WriterFactory):
        def create(self, filename: str) -> Py7zIO:
            return Sink(filename)

    return Factory()


def find(root: Path, name: str) -> Path | None:
    """The folder or archive called `name` below `root`; "" is `root` itself."""
    if not name:
        return root
    for place in (root / name, *(root / f"{name}{suffix}" for suffix in ARCHIVES)):
        if place.is_dir() or (place.is_file() and place != root / name):
            return place
    return None


def open_store(path: Path) -> Store:
    """The store that a folder or an archive's name asks for."""
    if path.is_dir():
        return Folder(path)
    kinds = {".zip": Zip, ".7z": SevenZip}
    return kinds.get(path.suffix.lower(), Tar)(path)
