"""Joined: the files of several folders and archives as those of one store."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, partial
from pathlib import Path

from kit.storage.archives import Handle, Store


class Joined(Store):
    """Stores below one folder; a name begins with the number of its store, `1/photo.png`."""

    def __init__(self, path: Path, stores: list[Store]):
        super().__init__(path)
        self.stores = stores
        self.random = all(store.random for store in stores)

    @cached_property
    def names(self) -> list[str]:
        return [f"{number}/{name}" for number, store in enumerate(self.stores) for name in store.names]

    def _inside(self, name: str) -> tuple[Store, str]:
        number, _, inside = name.partition("/")
        return self.stores[int(number)], inside

    def read(self, name: str) -> bytes:
        store, inside = self._inside(name)
        return store.read(inside)

    def each(self, names: Iterable[str], handle: Handle) -> None:
        wanted: dict[str, list[str]] = {}
        for name in names:
            number, _, inside = name.partition("/")
            wanted.setdefault(number, []).append(inside)
        for number, some in wanted.items():
            self.stores[int(number)].each(some, partial(_handed, handle, number))

    def where(self, name: str) -> str:
        store, inside = self._inside(name)
        return store.where(inside)

    def origin(self, name: str) -> Path:
        store, inside = self._inside(name)
        return store.origin(inside)


def _handed(handle: Handle, number: str, inside: str, data: bytes) -> None:
    handle(f"{number}/{inside}", data)
