"""Rows: the cells of a table's rows as names of their picture files."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from kit.errors import BadData, listed
from kit.inputs.layout.template import ANY, Template, tidy

if TYPE_CHECKING:
    import pandas as pd


class Rows:
    """The cells of rows by the columns that templates name, as they stand in the table and as names of files."""

    def __init__(self, templates: tuple[Template, ...], frame: pd.DataFrame):
        self.columns: dict[str, list[str]] = {}
        for template in templates:
            for column in template.columns:
                if column in ("id", frame.index.name):
                    self.columns[column] = list(frame.index)
                elif column in frame.columns:
                    self.columns[column] = list(frame[column])
                else:
                    raise BadData(
                        f"the template {template.text!r} needs a column {column!r}; there are {listed(frame.columns)}."
                    )
        self.names = {template: self._names(template) for template in templates}

    @cached_property
    def tidy(self) -> dict[str, list[str]]:
        """The cells as names of files."""
        return {column: tidy(cells) for column, cells in self.columns.items()}

    def _names(self, template: Template) -> list[str]:
        """The rows' names as the cells stand in the table."""
        some = [self.columns[column] for column in template.columns]
        return [template.name(dict(zip(template.columns, cells, strict=True))) for cells in zip(*some, strict=True)]

    def tidy_name(self, template: Template, row: int, cut: int = 0) -> str:
        """The name by cells that are names of files, paths without their first `cut` folders."""
        cells = {column: "/".join(some[row].split("/")[cut:]) or some[row] for column, some in self.tidy.items()}
        return template.name(cells)

    def below(self, template: Template, row: int) -> str:
        """Where a row's file may be put below the data's folder."""
        return "/".join(
            "0" if part == ANY else part for part in f"{template.folder}/{self.tidy_name(template, row)}".split("/") if part
        )

    def depth(self, row: int) -> int:
        """How many folders the longest path has."""
        return max(cells[row].count("/") for cells in self.tidy.values())

    def said(self, row: int) -> str:
        """A row's cell that names its file."""
        return list(self.columns.values())[-1][row]
