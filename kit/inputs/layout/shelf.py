"""Shelf: the files of a store that a template may mean, by name."""

from __future__ import annotations

from collections.abc import Callable

from kit.inputs.decode import SUFFIXES
from kit.inputs.layout.template import Template, stem
from kit.storage.archives import Store

Spelling = Callable[[str], str]
Names = dict[str, list[str]]


class Shelf:
    """The files that a template may mean, by name and by name without suffix, as each way to spell has them.

    `prefix`: of their names in the store; `own`: a folder that an archive may repeat; `inner`: the folder within the store.
    """

    def __init__(self, store: Store, template: Template, prefix: str, own: str, inner: str):
        self.store, self.template, self.prefix, self.own, self.inner = store, template, prefix, own, inner
        self._spelled: dict[Spelling, tuple[Names, Names]] = {}
        self._suffixed = template.rest[-1].lower().endswith(SUFFIXES)

    def full(self, name: str) -> str:
        """A name in the store."""
        return f"{self.prefix}{self.inner}/{name}" if self.inner else self.prefix + name

    def _inside(self, name: str) -> str | None:
        if not name.startswith(self.prefix):
            return None
        inside = name.removeprefix(self.prefix)
        while self.own and inside.startswith(f"{self.own}/"):
            inside = inside.removeprefix(f"{self.own}/")
        if self.inner and not inside.startswith(f"{self.inner}/"):
            return None
        return self.template.without_any(inside.removeprefix(f"{self.inner}/") if self.inner else inside)

    def _names(self, spelling: Spelling) -> tuple[Names, Names]:
        if spelling not in self._spelled:
            exact: Names = {}
            stems: Names = {}
            for name in sorted(self.store.names, key=lambda name: (name.count("/"), name)):
                inside = self._inside(name)
                if inside is not None:
                    inside = spelling(inside)
                    exact.setdefault(inside, []).append(name)
                    if inside.lower().endswith(SUFFIXES):
                        stems.setdefault(stem(inside), []).append(name)
            self._spelled[spelling] = exact, stems
        return self._spelled[spelling]

    def fits(self, name: str, spelling: Spelling) -> list[str]:
        """The files that may be meant by a name, the likeliest first: another image suffix or a second one is no hindrance."""
        exact, stems = self._names(spelling)
        name = spelling(name)
        bare = stem(name)
        if name in exact:
            others = stems.get(bare, []) if self._suffixed else []
            return list(dict.fromkeys([*exact[name], *others]))
        return next(
            (found for found in (stems.get(name), stems.get(bare), exact.get(bare), stems.get(stem(bare))) if found), []
        )
