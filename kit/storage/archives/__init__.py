"""Archives: the files of a folder, zip, tar or 7z, read in place. Nothing is unpacked, so nothing can land outside.

The package for 7z is an extra, so `kit.storage.archives.seven_zip` is imported only for such an archive.
"""

from __future__ import annotations

import importlib.util
import os
import tarfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from kit.errors import BadData, Usage, install
from kit.storage.archives import unpacking

ARCHIVES = (".zip", ".7z", ".tar", ".tar.gz", ".tgz")
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

    def origin(self, name: str) -> Path:
        """The file on the disk that holds this one."""
        return self.path

    def broken(self, fault: object) -> BadData:
        """The error for an archive that cannot be read."""
        said = str(fault).partition("\n")[0][:160].rstrip(":") or type(fault).__name__
        return BadData(f"{self.path}: not a readable archive ({said}). Download it again.")

    def check(self, name: str, size: int, packed: int, link: bool = False) -> None:
        """Raise BadData for an entry that points outside, is a link, or swells beyond reason."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if link or name.startswith(("/", "\\")) or ".." in parts or (parts and parts[0].endswith(":")):
            raise BadData(f"{self.path}: refused: its entry {name!r} {'is a link' if link else 'points outside'}.")
        if unpacking.swells(size, packed):
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

    def origin(self, name: str) -> Path:
        return self.path / name


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
                raise unpacking.encrypted(self.path)
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


def find(root: Path, name: str) -> Path | None:
    """The folder or archive called `name` below `root`; "" is `root` itself."""
    if not name:
        return root
    for place in (root / name, *(root / f"{name}{suffix}" for suffix in ARCHIVES)):
        if place.is_dir() or (place.is_file() and place != root / name):
            return place
    return None


def open_store(path: Path) -> Store:
    """The store of a folder or an archive, by its name. Raises Usage for a 7z archive where the extra `archives` is missing."""
    if path.is_dir():
        return Folder(path)
    suffix = path.suffix.lower()
    if suffix == ".7z":
        return _seven_zip(path)
    return Zip(path) if suffix == ".zip" else Tar(path)


def _seven_zip(path: Path) -> Store:
    if importlib.util.find_spec("py7zr") is None:
        raise Usage(
            f"{path}: reading 7z needs the extra `archives` ({install('archives')}); or unpack it beside (`7z x {path.name}`)."
        )
    from kit.storage.archives.seven_zip import SevenZip

    return SevenZip(path)
