"""Hidden test set: larger, in another order and with other ids, made of the known one, as a code competition's rerun mounts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kit.competition import Competition
from kit.errors import Usage
from kit.storage import files
from kit.storage.tables import table_file

GROWTH = 1.5


def lay_out(facts: Competition, root: Path, out: Path, seed: int = 0) -> pd.Series:
    """Write the competition's files below `out` with a hidden test set; returns the known id of every hidden one.

    Each known row is there once, and a part of them a second time. Raises Usage for a competition that reads its test
    set in a way of its own.
    """
    if facts.read_test or facts.melted or facts.id_from or not isinstance(facts.test, str) or "*" in facts.test:
        raise Usage(f"{facts.slug}: reads its test set in its own way; a hidden one cannot be made up.")
    rng = np.random.default_rng(seed)
    sample = facts.test_tables(root).sample
    count = int(np.ceil(len(sample) * GROWTH))
    rows = rng.permutation(np.concatenate([np.arange(len(sample)), rng.integers(len(sample), size=count - len(sample))]))
    old = list(sample.index[rows])
    table = _table(facts, root, facts.test) if facts.test else None
    numbered = table is not None and facts.id not in table
    new = [str(i + 1) for i in range(count)] if numbered else _other_ids(old)
    originals = pd.Series(old, index=pd.Index(new, name=facts.id))
    out.mkdir(parents=True)
    lines = sample.cells.set_index(pd.Index(sample.rows)).loc[lambda cells: ~cells.index.duplicated()].loc[old]
    hidden = lines.assign(**({sample.key: new} if sample.key else {}))
    files.write(out / facts.sample, table_file.write_text(hidden, sample.form))
    cells: pd.DataFrame | None = None
    if table is not None:
        ids = [str(i + 1) for i in range(len(table))] if numbered else list(table[facts.id])
        row_of = {name: row for row, name in enumerate(ids)}
        cells = table.iloc[[row_of[name] for name in old]].reset_index(drop=True)
        if not numbered:
            cells[facts.id] = new
        files.write(out / facts.test, table_file.written(cells, facts.test, facts.inputs.form.over(facts.form)))
    facts.inputs.lay_out_again(root, out, originals, cells)
    _link_others(facts, root, out)
    return originals


def _link_others(facts: Competition, root: Path, out: Path) -> None:
    """The files that a rerun does not replace."""
    names = (facts.sample, str(facts.test))
    _link(root, out, {f"{name}{packed}" for name in names for packed in ("", ".zip", ".gz", ".bz2", ".xz")})


def _link(source: Path, goal: Path, taken: set[str]) -> None:
    """Links to what is not laid out, also beside a folder that is: training pictures beside test pictures."""
    for path in source.iterdir():
        laid_out = goal / path.name
        if path.is_dir() and laid_out.is_dir() and not any(one.is_file() for one in laid_out.iterdir()):
            _link(path, laid_out, set())
        elif path.name not in taken and not laid_out.exists() and not (goal / path.stem).is_dir():
            laid_out.symlink_to(path.resolve())


def _table(facts: Competition, root: Path, name: str) -> pd.DataFrame:
    """The test table as its cells stand in the file: inputs that read numbers would write them otherwise."""
    return table_file.read(files.read(root, name), name, facts.inputs.form.over(facts.form)).frame


def _other_ids(old: list[str]) -> list[str]:
    """As many ids that look like the old ones and are none of them."""
    if all(name.isascii() and name.isdigit() for name in old):
        first = max(map(int, old)) + 1
        return [str(first + i) for i in range(len(old))]
    return [f"hidden{i:06d}{Path(name).suffix}" for i, name in enumerate(old)]
