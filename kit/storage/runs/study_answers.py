"""Study answers: what the run of a study predicts: it holds predictions and no models."""

from __future__ import annotations

import pandas as pd

from kit.errors import Usage, listed
from kit.storage.run_folder import Run


def stored_answers(run: Run, ids: pd.Index) -> pd.DataFrame:
    """The predictions that a study's run holds, for these ids. Raises Usage for rows that it does not hold."""
    known = run.test
    missing = ids[~ids.isin(known.index)]
    if len(missing):
        raise Usage(
            f"{run.path}: made by kit.study, so it holds predictions and no models; not of {len(missing):,} of these rows"
            f" (ids {listed(missing, 3)})."
        )
    return known.loc[ids]
