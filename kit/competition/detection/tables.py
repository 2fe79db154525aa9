"""Detection of a competition's tables: which file is which, what names the rows, and how tables belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from kit.competition import sample as samples, sources
from kit.competition.sample import Sample
from kit.competition.sources import Names
from kit.errors import BadData, listed
from kit.inputs.detection import IDENTIFIER, names_of_pictures
from kit.storage import files
from kit.storage.tables import table_file
from kit.storage.tables.table_file import TableFile, TableFormat

TABLES = re.compile(rf"(.+({'|'.join(map(re.escape, table_file.SUFFIXES))}))(\.zip|\.gz|\.bz2|\.xz)?", re.I)
SAMPLES, ANSWERS = re.compile("sample|submission", re.I), re.compile("sample|submission|solution|unlabel", re.I)
MARKS = ("_", "-", "|", ":", "/", " ", ".")  # what parts of an id are divided by
MOST = 5_000_000  # cells of a table that are looked at
LONG = range(2, 61)  # answer columns of a sample of the long form
Called = tuple[Names, Names, str]  # the names of the training tables, the test tables and the sample
TWICE = 0.1  # share of ids that may stand twice in a column of ids


@dataclass(frozen=True)
class Layout:
    """The tables of a competition: their names, as a Competition states them, and frames indexed by id."""

    root: Path
    id: str
    train_names: Names
    test_names: Names
    sample_name: str
    train: pd.DataFrame
    test: pd.DataFrame
    sample: Sample
    form: TableFormat
    id_from: str = ""
    melted: str = ""


def layout_of(root: Path, stated: TableFormat) -> Layout:
    """The tables of the competition whose files are in `root`, or in the only folder within that has some.

    Raises BadData where there is no sample submission or training table, or nothing tells how rows are named.
    """
    root = _below(root)
    names = tables_in(root)
    sample_name = _sample_of(root, names)
    others = [name for name in names if not ANSWERS.search(name)]
    trains, tests = _roles(others)
    file = table_file.read(files.read(root, sample_name), sample_name, TableFormat("", "", stated.encoding))
    if not len(file.frame):
        raise BadData(f"{sample_name}: a header and no rows. Download it again.")
    columns = [str(name) for name in file.frame]
    if (len(columns) == 1 and IDENTIFIER.fullmatch(columns[0])) or not columns[0].strip():
        raise BadData(f"{sample_name}: a column of ids and columns to fill are expected; it has {listed(columns)}.")
    read = {name: _read(root, name, stated) for name in (*trains, *tests)}
    if not trains:
        return _of_named_pictures(root, sample_name, file, read, tests)
    row_id = _id_of(file.frame, [read[name].frame for name in tests], read[trains[0]].frame)
    train_names, test_names = _belonging(row_id, trains, tests, read)
    train, test = _whole(read, train_names, row_id), _whole(read, test_names, row_id) if test_names else None
    melted, parts = ("", ()) if test is not None and row_id in test else _long_form(file.frame, train, row_id)
    if melted:
        train = sources.pivoted(train, row_id, parts, melted, sources.first_of(train_names))
        whole = samples.read(file, sample_name, row_id, parts, melted)
        called: Called = (train_names, "", sample_name)
        return _layout(root, row_id, names=called, read=read, train=train, test=None, sample=whole, melted=melted)
    id_from = _made_of(file.frame, test, row_id) if test is not None and row_id not in test else ""
    if id_from:
        train = train.assign(**{row_id: sources.made_ids(train, id_from, "train")})
        test = None if test is None else test.assign(**{row_id: sources.made_ids(test, id_from, "test")})
    copied = _copied(file.frame, test, row_id)
    whole = samples.read(file, sample_name, row_id, tuple(c for c in file.frame if c != row_id and c not in copied))
    called = (train_names, test_names, sample_name)
    return _layout(root, row_id, names=called, read=read, train=train, test=test, sample=whole, id_from=id_from)


def _layout(
    root: Path, row_id: str, *, names: Called, read: dict[str, TableFile], train: pd.DataFrame,
    test: pd.DataFrame | None, sample: Sample, id_from: str = "", melted: str = "",
) -> Layout:  # fmt: skip
    """The layout of tables that are read. `names`: of the training tables, the test tables and the sample."""
    train_names, test_names, _ = names
    name = sources.first_of(train_names)
    train = sources.by_id(train, row_id, name, [])
    if test is None:
        tested = sample.frame[[]]
    else:
        tested = sources.by_id(test, row_id, sources.first_of(test_names), [])
        _refuse_unnamed(tested, sample, row_id, sources.first_of(test_names), row_id in test)
    form = read[name].form if name in read else TableFormat()
    return Layout(
        root, row_id, *names, train=train, test=tested, sample=sample, form=form, id_from=id_from, melted=melted
    )  # fmt: skip


def tables_in(root: Path) -> list[str]:
    """The tables in a folder, packed, in a zip, or in folders of their names (`files.find` has them), short names first."""
    called = [name for path in root.iterdir() for name in (path.name, f"{path.name}.csv") if not name.startswith(".")]
    for path in root.glob("*.zip"):
        called += [name for name in files.members(path, path.stat().st_mtime_ns) if TABLES.fullmatch(name)]
    found = {match[1] for name in called if (match := TABLES.fullmatch(name)) and files.find(root, match[1])}
    return sorted(found, key=lambda name: (len(name), name))


def _below(root: Path) -> Path:
    """The folder, or the only one within it that holds tables where it holds none."""
    for _ in range(2):
        if tables_in(root):
            break
        inside = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith((".", "__"))]
        holding = [path for path in inside if tables_in(path) or (len(inside) == 1 and not names_of_pictures(root))]
        if len(holding) != 1:
            break
        root = holding[0]
    return root


def _sample_of(root: Path, names: list[str]) -> str:
    likely = [name for name in names if SAMPLES.search(name) and "train" not in name.lower()]
    sample = min(likely, key=lambda name: -len(set(SAMPLES.findall(name.lower()))), default="")
    if not sample:
        trees = any(name.startswith("train/") and name.count("/") > 1 for name in names_of_pictures(root))
        way = "folders --data DIR` takes train/CLASS/PICTURE" if trees else "csv --data FILE --target COLUMN` takes a table"
        there = f"no sample submission among {listed(names)}: it tells what is asked" if names else no_table(root)
        raise BadData(f"{root}: {there}.\n`kit run {way} without an adapter.")
    return sample


def no_table(root: Path) -> str:
    """That a folder holds no table, and what else there is."""
    found = [f"{path.name}{'/' * path.is_dir()}" for path in sorted(root.iterdir()) if not path.name.startswith((".", "__"))]
    other = listed(name for name in found if not TABLES.fullmatch(name))
    return f"only {other} and no table (.csv, .tsv; unpacked)" if other else "no table (.csv, .tsv)"


def _roles(names: list[str]) -> tuple[list[str], list[str]]:
    """The training tables and the test tables; parts such as train_1.csv, train_2.csv as one name with a *."""
    tests = _stacked([name for name in names if "test" in name.lower()])
    left = [name for name in names if "test" not in name.lower()]
    trains = _stacked([name for name in left if "train" in name.lower()])
    return trains or left[:1], tests


def _stacked(names: list[str]) -> list[str]:
    patterns = {name: re.sub(r"\d+(?=\.\w+$)", "*", name) for name in names}
    count = Counter(patterns.values())
    return list(dict.fromkeys(pattern if count[pattern] > 1 else name for name, pattern in patterns.items()))


def _read(root: Path, name: str, stated: TableFormat) -> TableFile:
    """A table, of one with a * its first and last part."""
    parts = sources.parts(root, name)
    some = [table_file.read(files.read(root, one), one, stated, most=MOST) for one in dict.fromkeys((parts[0], parts[-1]))]
    return TableFile(pd.concat([one.frame for one in some], ignore_index=True), some[0].form, some[0].notes)


def _id_of(sample: pd.DataFrame, tests: list[pd.DataFrame], train: pd.DataFrame) -> str:
    """The column of the sample that names the rows: "" where the rows are only counted.

    The first column, unless it is one of answers: another is then the only one that the test has too.
    """
    columns = [str(name) for name in sample]
    shared = [name for name in columns if any(name in test for test in tests)]
    named = [name for name in shared if sample[name].duplicated().mean() <= TWICE and IDENTIFIER.fullmatch(name)]
    if len(columns) == 1:
        return ""
    if columns[0] in shared or not shared or IDENTIFIER.fullmatch(columns[0]):
        return columns[0]
    if named:
        return named[0]
    if len(shared) == 1 and sample[shared[0]].duplicated().mean() <= TWICE:
        return shared[0]
    return "" if columns[0] in train else columns[0]


def _belonging(row_id: str, trains: list[str], tests: list[str], read: dict[str, TableFile]) -> tuple[Names, Names]:
    """The tables that are joined by id: the first has the most rows; others have one row an id at most, and such ids."""

    def joined(names: list[str]) -> list[str]:
        have = [name for name in names if row_id in read[name].frame]
        if len(names) < 2 or not have:
            return names[:1]
        order = sorted(have, key=lambda n: (read[n].frame[row_id].duplicated().mean() > TWICE, -len(read[n].frame)))
        ids = set(read[order[0]].frame[row_id])
        fits = [n for n in order[1:] if not read[n].frame[row_id].duplicated().any() and set(read[n].frame[row_id]) <= ids]
        fits = [n for n in fits if set(read[n].frame) - set(read[order[0]].frame)]
        featured = [n for n in (order[0], *fits) if _shares(n, tests, row_id, read)]
        first = featured[0] if featured and len(read[featured[0]].frame) == len(read[order[0]].frame) else order[0]
        return [first, *(name for name in (order[0], *fits) if name != first)]

    train, test = joined(trains), joined(tests)
    known = {column for name in train for column in read[name].frame} if train else set()
    test = [name for i, name in enumerate(test) if not i or set(read[name].frame) & (known - {row_id})]
    return _names(train), _names(test)


def _shares(name: str, tests: list[str], row_id: str, read: dict[str, TableFile]) -> bool:
    """Has a training table columns of a test table, besides the id?"""
    return any(set(read[name].frame) & set(read[test].frame) - {row_id} for test in tests)


def _names(names: list[str]) -> Names:
    return names[0] if len(names) == 1 else tuple(names) if names else ""


def _whole(read: dict[str, TableFile], names: Names, row_id: str) -> pd.DataFrame:
    first, *others = sources.every(names)
    table = read[first].frame
    for name in others:
        table, _ = sources.joined(row_id, table, first, read[name], name)
    return table


def _long_form(sample: pd.DataFrame, train: pd.DataFrame, row_id: str) -> tuple[str, tuple[str, ...]]:
    """The mark and the answer columns of ids such as `ID_12_any`, of which each row has every one; "" for other ids."""
    if row_id not in train or train.shape[1] != 2 or sample.shape[1] != 2:
        return "", ()
    for mark in MARKS:
        first = str(sample[row_id].iloc[0])
        for place in range(first.count(mark), 0, -1):
            found = [_ends([str(one) for one in table[row_id].unique()], mark, place) for table in (sample, train)]
            if found[0] and set(found[0]) == set(found[1]):
                return mark, tuple(found[0])
    return "", ()


def _ends(ids: list[str], mark: str, place: int) -> list[str]:
    """What stands behind the mark number `place` of each id, where each beginning has every end; else nothing."""
    pairs = [(mark.join(parts[:place]), mark.join(parts[place:])) for parts in (one.split(mark) for one in ids)]
    rows, ends = {start for start, _ in pairs}, list(dict.fromkeys(end for _, end in pairs))
    whole = "" not in ends and len(rows) > 1 and len(ends) in LONG and len(rows) * len(ends) == len(pairs)
    return ends if whole and not all(map(str.isdecimal, ends)) else []


def _made_of(sample: pd.DataFrame, test: pd.DataFrame, row_id: str) -> str:
    """The template of columns that the sample's ids are made of, "" where they are not: `{Store}_{Date}`."""
    if not row_id or len(sample) > len(test):
        return ""
    ids = [str(one) for one in sample[row_id]]
    for mark in MARKS:
        width = ids[0].count(mark) + 1
        for count in range(2, min(width, len(test.columns)) + 1):
            parts = np.array([one.split(mark, count - 1) for one in ids if one.count(mark) + 1 >= count], dtype=object)
            if len(parts) != len(ids):
                break
            columns = [_column_with(set(parts[:, i]), test) for i in range(count)]
            template = mark.join(f"{{{name}}}" for name in columns if name)
            if all(columns) and set(ids) <= set(sources.made_ids(test, template, "test")):
                return template
    return ""


def _column_with(values: set[str], test: pd.DataFrame) -> str:
    return next((str(name) for name in test if "{" not in str(name) and values <= set(test[name])), "")


def _copied(sample: pd.DataFrame, test: pd.DataFrame | None, row_id: str) -> list[str]:
    """The columns of the sample that are the test's own, cell by cell: they stay as they are."""
    if test is None:
        return []
    both = [str(name) for name in sample if name in test and name != row_id and sample[name].nunique() > 1]
    if row_id and row_id in test:
        rows = test.drop_duplicates(row_id).set_index(row_id).reindex(sample[row_id])
        return [name for name in both if (rows[name].to_numpy() == sample[name].to_numpy()).all()]
    return [name for name in both if len(test) == len(sample) and (test[name].to_numpy() == sample[name].to_numpy()).all()]


def _refuse_unnamed(test: pd.DataFrame, sample: Sample, row_id: str, name: str, named: bool) -> None:
    """Raise BadData where the sample's ids are neither in a column of their name nor its rows' numbers."""
    ids = set(sample.index)
    if named or not ids.isdisjoint(map(str, range(1, len(test) + 1))):
        return
    has = [column for column in test if test[column].is_unique and set(test[column]) <= ids]
    hint = f"its column {has[0]!r} holds them" if has else f"no column holds them: it has {listed(test.columns, 10)}"
    raise BadData(
        f"{name}: the sample names rows by {row_id!r} (say {sample.index[0]!r}); {hint}."
        f"\nGive it a column {row_id!r} of the sample's ids, or write `read_test` (docs/your-own-competition.md)."
    )


def _of_named_pictures(root: Path, sample_name: str, file: TableFile, read: dict[str, TableFile], tests: list[str]) -> Layout:
    """The layout of pictures whose names, or folders, tell their classes. Raises BadData where they do not."""
    row_id = _id_of(file.frame, [read[name].frame for name in tests], pd.DataFrame())
    asked = [str(name) for name in file.frame if name != row_id]
    label = asked[0] if len(asked) == 1 and asked[0].isidentifier() and asked[0] != "number" else "label"
    template = _picture_template(names_of_pictures(root), label)
    if not template:
        header = ",".join(file.frame.columns)
        of = "a row a picture, named as below its folder (ants/1.jpg)" if names_of_pictures(root) else "a row an answer"
        raise BadData(
            f"{root}: {no_table(root)} to train on beside {sample_name}.\nMake a train.csv of what is there: {header}; {of}."
        )
    train = sources.of_pictures(root, template, row_id).rename_axis(row_id).reset_index()
    test = read[tests[0]].frame if tests else None
    whole = samples.read(file, sample_name, row_id, ())
    names: Called = (template, tests[0] if tests else "", sample_name)
    return _layout(root, row_id, names=names, read=read, train=train, test=test, sample=whole)


def _picture_template(pictures: Iterable[str], label: str) -> str:
    """The template of training pictures in folders called as their classes, or called as them: `train/{label}.{number}.jpg`."""
    inside = [name for name in pictures if "train" in "/".join(name.lower().split("/")[:-1])]
    suffix = Counter(name.rpartition(".")[2] for name in inside).most_common(1)
    if not inside:
        return ""
    depth = Counter(name.count("/") for name in inside).most_common(1)[0][0]
    folders = [name.split("/") for name in inside if name.count("/") == depth]
    top = next((i + 1 for i, part in enumerate(folders[0]) if "train" in part.lower()), 0)
    above = "/".join(folders[0][:top])
    if depth == top + 1 and _are_classes([parts[top] for parts in folders]):
        return f"{above}/{{{label}}}/{{name}}.{suffix[0][0]}"
    stems = [parts[-1].rpartition(".")[0] for parts in folders]
    for mark in (".", "_", "-", " "):
        pairs = [stem.rpartition(mark) for stem in stems]
        if all(start and end.isdecimal() for start, _, end in pairs) and _are_classes([start for start, _, _ in pairs]):
            return f"{'/'.join(folders[0][:-1])}/{{{label}}}{mark}{{number}}.{suffix[0][0]}"
    return ""


def _are_classes(names: list[str]) -> bool:
    """Do a few names repeat?"""
    return 1 < len(set(names)) <= len(names) // 2
