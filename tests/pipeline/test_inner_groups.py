"""Groups inside a training fold: what is chosen there is chosen by rows of other groups, as the score is."""

from pathlib import Path

import numpy as np
import pytest

import kit

ADAPTER = """
import kit
from kit.metrics import accuracy

competition = kit.Competition("told", "id", {inputs}, kit.OneOf("label"), accuracy, group={group})
presets = {{"fast": kit.Config(model="{model}", inverse_penalty=0)}}
"""


def deviation(folder: Path, group: str, model: str, inputs: str) -> float:
    """Of predictions for known groups: each has an answer, a word and a number of its own, and nothing else tells."""
    rng, lines = np.random.default_rng(0), ["id,who,text,z,label"]
    answers = rng.permutation(np.arange(40) % 2)
    for row in range(480):
        which = row // 12
        lines.append(f"{row},g{which},seen w{which} once,{which},{'ab'[answers[which]]}")
    new = range(900, 940)
    (folder / "train.csv").write_text("\n".join(lines) + "\n")
    (folder / "test.csv").write_text(
        "\n".join(["id,who,text,z", *(f"{row},g{row - 900},seen w{row - 900} once,{row - 900}" for row in new)]) + "\n"
    )
    (folder / "sample_submission.csv").write_text("\n".join(["id,label", *(f"{row},a" for row in new)]) + "\n")
    (folder / "told.py").write_text(ADAPTER.format(inputs=inputs, group=group, model=model))
    run = kit.run(str(folder / "told.py"), folder, out=folder / "run", quiet=True, folds=4, decide="none")
    return float(run.test["a"].std())


@pytest.mark.parametrize(("model", "inputs"), [("ngrams", 'kit.Text("text")'), ("lightgbm", 'kit.Table(numbers=("z",))')])
def test_what_tells_of_groups_alone_is_not_believed(model: str, inputs: str, tmp_path: Path) -> None:
    for name in ("apart", "mixed"):
        (tmp_path / name).mkdir()
    believed = deviation(tmp_path / "mixed", "None", model, inputs)
    assert deviation(tmp_path / "apart", '"who"', model, inputs) < believed / 4
