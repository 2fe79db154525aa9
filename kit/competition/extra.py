"""Extra rows: a table whose rows train and are never validated or answered, laid below the training table.

pandas is imported inside functions: see `kit.competition.tables`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kit.errors import BadData, listed
from kit.storage import frames

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "extra-"  # of the numbers that name the rows of a table without ids


def below(train: pd.DataFrame, test: pd.DataFrame, extra: pd.DataFrame, needed: list[str], name: str) -> pd.DataFrame:
    """The training table with the extra rows below it.

    These have the columns that are `needed` and those that both other tables have; others that only one of the two has are
    blank, or left out. Raises BadData for a column that is missing, and for ids of training or test rows.
    """
    import pandas as pd

    frames.need_columns(extra, [*needed, *(column for column in train if column in test and column not in needed)], name)
    for ids, whose in ((train.index, "training"), (test.index, "test")):
        shared = extra.index[extra.index.isin(ids)]
        if len(shared):
            raise BadData(f"{name}: {len(shared):,} ids are those of {whose} rows ({listed(shared, 3)}). Give them other ids.")
    absent = [column for column in train if column not in extra]
    own = extra.assign(**dict.fromkeys(absent, "")) if absent else extra
    return pd.concat([train, own[list(train.columns)]]).rename_axis(train.index.name)
