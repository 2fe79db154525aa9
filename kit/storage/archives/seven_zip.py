"""7z archives (extra `archives`): solid, so read in one pass; each file is handed on when it is whole."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from functools import cached_property

import py7zr
from py7zr.io import Py7zIO, WriterFactory

from kit.errors import BadData
from kit.storage.archives import Handle, Store, unpacking


class SevenZip(Store):
    """A 7z archive (extra `archives`): solid, so one pass; each file is handed on when it is whole."""

    random = False

    @cached_property
    def names(self) -> list[str]:
        try:
            with py7zr.SevenZipFile(self.path) as archive:
                if archive.needs_password():
                    raise unpacking.encrypted(self.path)
                entries = [
                    (f.filename, f.uncompressed, bool(f.is_symlink or f.is_junction), f.is_directory) for f in archive.files
                ]
        except BadData:
            raise
        except py7zr.exceptions.PasswordRequired as fault:  # the names are encrypted, too
            raise unpacking.encrypted(self.path) from fault
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
        content: list[bytes] = []
        self.each([name], lambda _, data: content.append(data))
        return content[0] if content else b""

    def each(self, names: Iterable[str], handle: Handle) -> None:
        wanted = sorted(set(names) & set(self.names))
        try:
            with py7zr.SevenZipFile(self.path) as archive:
                archive.extract(targets=wanted, factory=Sinks(handle))
        except BadData:
            raise
        except Exception as fault:
            raise self.broken(fault) from fault


class Sink(Py7zIO):
    """A place in memory for one file, which is handed on and freed when it is whole."""

    def __init__(self, name: str, handle: Handle, lock: threading.Lock):
        self.name, self.handle, self.lock = name, handle, lock
        self.buffer, self.open = io.BytesIO(), True

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
            with self.lock:
                self.handle(self.name, self.buffer.getvalue())
            self.buffer = io.BytesIO()


class Sinks(WriterFactory):
    """What py7zr asks for a place to write a file to."""

    def __init__(self, handle: Handle):
        self.handle = handle
        self.lock = threading.Lock()  # py7zr unpacks the solid blocks of one archive in threads

    def create(self, filename: str) -> Py7zIO:
        return Sink(filename, self.handle, self.lock)
