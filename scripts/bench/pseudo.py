"""Few labels: what do pseudo-labels gain out of fold, what on the rows themselves, and how often do they "pay" on noise?

    python scripts/bench/pseudo.py [--labels 50 100 200] [--draws 5] [--model mlp] [--share 0.5] [--weight 1] [--noise]

The 1,797 digits of scikit-learn, as a table or (other models) as pictures: some with answers, 1,000 others are the test, whose
answers are held out. A run is made on each draw, and one that learns its answers of the test (`--pseudo`). `--noise`: the
answers are shuffled, so that nothing can be learned. Knobs of both runs follow as KEY=VALUE.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import kit
from kit.console import table
from kit.storage import frames

ADAPTER = """
from kit import Competition, Config, OneOf, Pixels, Table
from kit.metrics import accuracy

labels = OneOf("label", tuple("0123456789"))
competition = Competition(slug="few", id="id", inputs={inputs}, labels=labels, metric=accuracy)
presets = {{"fast": Config(model="{model}")}}
"""
TABLES = ("mlp", "lightgbm", "xgboost", "catboost")
TEST = 1000


def lay_out(root: Path, count: int, draw: int, model: str, noise: bool) -> Path:
    """Write an adapter and the files of one draw, with so many answers; the path of the adapter."""
    digits, rng = load_digits(), np.random.default_rng([count, draw])
    order = rng.permutation(len(digits.target))
    order = np.concatenate([order[-TEST:], stratified(digits.target, order[:-TEST], count)])
    answers = digits.target[rng.permutation(order) if noise else order]
    pixels = pd.DataFrame(digits.data[order].astype(int)).add_prefix("pixel")
    pixels.index = pd.Index([f"r{i}" for i in range(len(order))], name="id")
    solution = pd.DataFrame({"label": answers[:TEST]}, index=pixels.index[:TEST])
    for name, frame in (
        ("test", pixels[:TEST]),
        ("sample_submission", solution.assign(label=0)),
        ("solution", solution),
        ("train", pixels[TEST:].assign(label=answers[TEST:])),
    ):
        frames.write_csv(root / f"{name}.csv", frame)
    inputs = "Table()" if model in TABLES else "Pixels(side=8, top=16)"
    (root / "few.py").write_text(ADAPTER.format(inputs=inputs, model=model))
    return root / "few.py"


def stratified(target: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """The first rows of each class, as many of each."""
    return np.concatenate([rows[target[rows] == k][: count // 10] for k in range(10)])


def measured(count: int, draw: int, arguments: argparse.Namespace) -> dict[str, float]:
    """What both runs of one draw score."""
    knobs = dict(text.split("=", 1) for text in arguments.knobs) | {"model": arguments.model}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        adapter = str(lay_out(root, count, draw, arguments.model, arguments.noise))
        first = kit.run(adapter, root, out=root / "first", quiet=True, **knobs)
        knobs |= {"pseudo": str(first.path), "pseudo_weight": arguments.weight, "pseudo_share": arguments.share}
        made = kit.run(adapter, root, out=root / "made", quiet=True, **knobs)
        told = made.scores["pseudo"]
        held = [one.scores["extra"]["held_out"] for one in (first, made)]
        return {"before": told["before"], "now": told["now"], "paid": told["paid"], "held": held[0], "later": held[1]}


def main() -> None:
    """A line for each number of labels: means over the draws, and the standard error of the held-out gain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--model", default="mlp")
    parser.add_argument("--weight", type=float, default=1.0)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("knobs", nargs="*", help="KEY=VALUE")
    arguments = parser.parse_args()
    lines = []
    for count in arguments.labels:
        each = pd.DataFrame([measured(count, draw, arguments) for draw in range(arguments.draws)])
        mean, gain = each.mean(), each.later - each.held
        error = gain.std() / len(gain) ** 0.5
        lines.append(
            [
                f"{count}",
                f"{mean.before:.4f} → {mean.now:.4f}",
                f"{int(each.paid.sum())} of {len(each)}",
                f"{mean.held:.4f} → {mean.later:.4f}",
                f"{gain.mean():+.4f} ± {error:.4f}",
            ]
        )
        print(*lines[-1], flush=True)
    print(table(["labels", "out of fold", "paid", "held out", "gain"], lines))


if __name__ == "__main__":
    main()
