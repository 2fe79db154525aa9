"""Sources: what a competition's table is made of: a file, several that are joined or follow each other, names of pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from kit.competition.sample import split_ids
from kit.errors import BadData, listed
from kit.inputs.detection import names_of_pictures
from kit.storage import files, frames
from kit.storage.tables import table_file, typed_table
from kit.storage.tables.table_file import TableFile

if TYPE_CHECKING:
    import pandas as pd

    from kit.competition.facts import Competition

Names = str | tuple[str, ...]


def first_of(names: Names) -> str:
    """The table that has a row for each id."""
    return names if isinstance(names, str) else names[0]


def every(names: Names) -> tuple[str, ...]:
    """The tables of a source."""
    return (names,) if isinstance(names, str) else names


def paths(root: Path, names: Names) -> list[Path]:
    """The files of a source that are there; those of pictures are not among them."""
    found = [files.find(root, one) for name in every(names) if name for one in parts(root, name)]
    return [path for path in found if path]


def parts(root: Path, name: str) -> list[str]:
    """The files that a name with a * stands for, in their natural order; else the name itself."""
    if "*" not in name or "{" in name:
        return [name]
    pattern = re.compile(re.escape(name).replace(r"\*", "(.*)"))
    bare = [re.sub(r"\.(zip|gz|bz2|xz)$", "", path.name) for path in root.iterdir()]
    return sorted({one for one in bare if pattern.fullmatch(one)}, key=lambda one: (len(one), one))


def read(
    facts: Competition, root: Path, names: Names, answered: bool, limit: int = 0, prefix: str = ""
) -> tuple[pd.DataFrame, list[str]]:
    """The table of a source, indexed by id, and notes on it. `answered`: has it answers? `limit`: so many of a text's rows.
    `prefix`: of the numbers that name the rows of a table without ids.

    Raises BadData naming file, line and id.
    """
    first, *others = every(names)
    if "{" in first:
        return of_pictures(root, first, facts.id), []
    file = _stacked(facts, root, first, 0 if facts.melted else limit)
    table, notes = file.frame, list(file.notes)
    for name in others:
        table, note = joined(facts.id, table, first, _stacked(facts, root, name), name)
        notes += note
    if facts.melted and answered:
        table = pivoted(table, facts.id, facts.labels.train_columns, facts.melted, first)
    if facts.id_from:
        table = table.assign(**{facts.id: made_ids(table, facts.id_from, first)})
    table = by_id(table, facts.id, first, notes, prefix)
    return table.assign(**facts.inputs.derived(table)), notes


def _stacked(facts: Competition, root: Path, name: str, limit: int = 0) -> TableFile:
    """A table, or the tables that a name with a * stands for, one below the other."""
    import pandas as pd

    names = parts(root, name) or [name]
    if len(names) == 1:
        data = files.read(root, names[0])
        data = typed_table.first_rows(data, limit) if limit and table_file.is_text(names[0]) else data
        return facts.inputs.read_table(data, names[0], facts.form)
    tables = [facts.inputs.read_table(files.read(root, part), part, facts.form) for part in names]
    header = list(tables[0].frame.columns)
    for part, one in zip(names, tables, strict=True):
        frames.need_columns(one.frame, header, part)
    whole = pd.concat([one.frame[header] for one in tables], ignore_index=True)
    notes = [note for one in tables for note in one.notes]
    return TableFile(whole, tables[0].form, (*notes, f"{len(tables)} files are one table: {listed(names)}"))


def joined(row_id: str, table: pd.DataFrame, first: str, other: TableFile, name: str) -> tuple[pd.DataFrame, list[str]]:
    """A table with the columns of another that names rows by the same ids. Raises BadData where it has several rows an id."""
    import pandas as pd

    right = other.frame
    for one, where in ((table, first), (right, name)):
        frames.need_columns(one, [row_id], where)
    right = right.drop_duplicates()
    twice = right[row_id][right[row_id].duplicated()]
    if len(twice):
        raise BadData(
            f"{name}: several rows have the {row_id!r} {twice.iloc[0]!r}; a table that is joined has one row an id."
            "\nLeave it out, or sum it up in `read_train` and `read_test` (docs/your-own-competition.md)."
        )
    new = [column for column in right.columns if column not in table.columns]
    has = table[row_id].isin(right[row_id])
    extra = right.set_index(row_id)[new].reindex(table[row_id]).fillna("").set_axis(table.index)
    return pd.concat([table, extra], axis=1), [
        *other.notes,
        f"{name} is joined to {first} by {row_id!r}: {has.sum():,} of {len(table):,} rows are in it",
    ]


def by_id(table: pd.DataFrame, row_id: str, name: str, notes: list[str], prefix: str = "") -> pd.DataFrame:
    """The table indexed by id; of rows that are the same to the last cell, one is kept (added to the notes)."""
    if row_id in table.columns and table[row_id].duplicated().any():
        table = _once(table, row_id, name, notes)
    return numbered(table, row_id, name, prefix)


def _once(table: pd.DataFrame, row_id: str, name: str, notes: list[str]) -> pd.DataFrame:
    once = table.drop_duplicates()
    if len(once) < len(table):
        count = len(table) - len(once)
        ids = table[row_id][table.duplicated()]
        notes.append(f"{name}: {count:,} rows stand there twice, to the last cell; each counts once ({row_id} {listed(ids)})")
    twice = once[row_id][once[row_id].duplicated()]
    if len(twice):
        unlike = [column for column in once if column != row_id and once[once[row_id] == twice.iloc[0]][column].nunique() > 1]
        raise BadData(
            f"{name}: {len(twice):,} rows have an id that another row has, and differ from it: {row_id}"
            f" {listed(twice.unique(), 5)} (the first in {listed(unlike)}).\nOne row an id is expected: keep one of each, or"
            " sum them up in `read_train` (docs/your-own-competition.md)."
        )
    return once


def numbered(table: pd.DataFrame, id_column: str, name: str, prefix: str = "") -> pd.DataFrame:
    """A table indexed by its id column, or by 1, 2, 3, … (after a `prefix`) where it has none.

    Raises BadData where it has no rows.
    """
    if not len(table):
        raise BadData(f"{name}: a header and no rows. Download it again.")
    if id_column in table.columns:
        return frames.index_by(table, id_column, name)
    return table.set_index(frames.text_index([f"{prefix}{i}" for i in range(1, len(table) + 1)], id_column or "row"))


def made_ids(table: pd.DataFrame, template: str, name: str) -> list[str]:
    """Ids made of columns by a template such as `{Store}_{Dept}_{Date}`. Raises BadData where a column is missing."""
    columns = re.findall("{(.*?)}", template)
    frames.need_columns(table, columns, name)
    pieces = re.split("{.*?}", template)
    made = [pieces[0]] * len(table)
    for column, piece in zip(columns, pieces[1:], strict=True):
        made = [f"{left}{cell}{piece}" for left, cell in zip(made, table[column], strict=True)]
    return made


def pivoted(table: pd.DataFrame, row_id: str, names: tuple[str, ...], mark: str, where: str) -> pd.DataFrame:
    """A table of the long form, a row for each id and answer column, as one row an id with these columns."""
    frames.need_columns(table, [row_id], where)
    values = [str(column) for column in table if column != row_id]
    if len(values) != 1:
        raise BadData(f"{where}: a column of ids and one of answers are expected; it has {listed(table.columns)}.")
    once = table.drop_duplicates()
    rows, parts = split_ids(once[row_id].to_numpy(dtype=object), names, mark, where)
    long = once.assign(row=rows, part=parts)
    twice = long[long.duplicated(["row", "part"])]
    if len(twice):
        raise BadData(f"{where}: the id {twice[row_id].iloc[0]!r} stands there twice with other answers.")
    order = list(dict.fromkeys(rows))
    wide = long.pivot(index="row", columns="part", values=values[0]).reindex(index=order, columns=list(names)).fillna("")
    wide.columns.name = None
    return wide.rename_axis(row_id).reset_index()


def of_pictures(root: Path, template: str, row_id: str) -> pd.DataFrame:
    """A table made of the names of pictures, as `train/{label}.{number}.jpg` tells them: a row a picture, a column a brace.

    A row's id is the picture's path below the folder, without its suffix. `{number}` stands for digits, other braces for
    anything but a slash. Raises BadData where no picture is called so.
    """
    folder, pattern = picture_pattern(template)
    ids: list[str] = []
    rows: list[dict[str, str]] = []
    for name in names_of_pictures(root):
        match = pattern.fullmatch(name)
        if match:
            ids.append(name.removeprefix(folder).rpartition(".")[0])
            rows.append(match.groupdict())
    if not rows:
        raise BadData(f"{root}: no picture is called as {template}. See --data.")
    frames.check_ids(ids, f"{template}, names without their suffix")
    return frames.of_text(rows, index=frames.text_index(ids, row_id))


def picture_pattern(template: str) -> tuple[str, re.Pattern[str]]:
    """The folder that a template of names begins with, and a pattern with a group a brace; any suffix of a picture fits."""
    stem = template.rpartition(".")[0] if "." in template.rpartition("/")[2] else template
    folder = "".join(f"{part}/" for part in template.split("/")[: template[: template.index("{")].count("/")])
    made = ""
    for piece in re.split(r"({\w+})", stem):
        inside = r"\d+" if piece == "{number}" else "[^/]+?"
        made += f"(?P<{piece[1:-1]}>{inside})" if piece.startswith("{") else re.escape(piece)
    return folder, re.compile(made + r"\.[^./]*")
