"""Stars of film reviews: what a decision learned on out-of-fold rows says that it gains, and what it gains on held-out rows.

    python scripts/bench/decisions.py --data DIR [--rows 4000] [--test 4000] [--seed 0]

DIR holds Kaggle's word2vec-nlp-tutorial. The ids of its training reviews end in the stars that were given (1 to 4, 7 to 10).
They are the answers here, and ids are written anew, so no model sees them. Few stars are drawn rarely: the set is skewed. A
run is made for each metric; "plain" and "nested" are its out-of-fold scores without and with the decision, "held out" are the
same on the test. Lower is better for the log loss.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import kit
from kit import competition, labels as all_labels
from kit.console import table
from kit.inference.blend_weights import gained
from kit.inference.loaded_run import load_run
from kit.storage import frames

STARS = ("1", "2", "3", "4", "7", "8", "9", "10")
SHARES = (0.02, 0.03, 0.04, 0.06, 0.25, 0.30, 0.10, 0.20)
ADAPTER = """
from kit import Columns, Competition, Config, Grade, OneOf, Text
from kit.metrics import {metric}

competition = Competition(slug="stars-{metric}", id="id", inputs=Text("review"), labels={labels}, metric={metric})
presets = {{"fast": Config(model="ngrams", epochs=1)}}
"""
CONTESTS = {
    "qwk": 'Grade("grade", 7)',
    "f1_macro": 'OneOf("stars")',
    "log_loss": 'Columns(column="stars")',
}


def drawn(data: Path, count: int, seed: int) -> pd.DataFrame:
    """Reviews with stars and their place in the order (`grade`), drawn by SHARES, under ids that tell nothing."""
    rows = competition.load("imdb").competition.tables(data).train
    stars = rows.index.str.rpartition("_").get_level_values(2)
    rng = np.random.default_rng(seed)
    chosen = [
        rng.choice(np.flatnonzero(stars == star), round(share * count), replace=False)
        for star, share in zip(STARS, SHARES, strict=True)
    ]
    order = rng.permutation(np.concatenate(chosen))
    found = pd.DataFrame({"review": rows["review"].to_numpy()[order], "stars": np.array(stars)[order]})
    found["grade"] = found["stars"].map({star: str(i) for i, star in enumerate(STARS)})
    return found.set_axis(pd.Index([f"r{i}" for i in range(len(found))], name="id"))


def lay_out(root: Path, rows: pd.DataFrame, train: int, metric: str) -> Path:
    """Write an adapter and its competition's files; the path of the adapter."""
    column = "grade" if metric == "qwk" else "stars"
    known, asked = rows[["review", column]][:train], rows[train:]
    sample = asked[[column]].assign(**{column: "7"})
    solution = asked[[column]]
    if metric == "log_loss":
        solution = pd.DataFrame({star: (asked["stars"] == star).astype(int).astype(str) for star in sorted(STARS)}, asked.index)
        sample = solution
    tables = {"train": known, "test": asked[["review"]], "sample_submission": sample, "solution": solution}
    for name, frame in tables.items():
        frames.write_csv(root / metric / f"{name}.csv", frame)
    adapter = root / f"stars_{metric}.py"
    adapter.write_text(ADAPTER.format(metric=metric, labels=CONTESTS[metric]))
    return adapter


def line(run: kit.Run) -> list[str]:
    """What a run says of its decision, and what came of it on the test."""
    said, whole = run.scores["decision"], load_run(run)
    tables, metric = whole.facts.tables(whole.root), whole.facts.metric
    labels = all_labels.from_json(run.info["labels"])
    y = labels.encode(labels.as_trained(tables.solution))
    values = run.test.loc[tables.solution.index].to_numpy(np.float32)
    truth, sign = labels.truth(y), 1 if metric.higher_is_better else -1
    plain, decided = labels.undecided.harden(values), labels.harden(values)
    gain = gained(decided, plain, lambda rows, answers: sign * metric(truth[rows], answers))
    cells = [f"{said['plain']:.4f}", f"{said['nested']:.4f}", f"{said['gain']:+.4f} ± {said['noise']:.4f}"]
    held_out = [f"{metric(truth, plain):.4f}", f"{metric(truth, decided):.4f}", f"{gain.gain:+.4f} ± {gain.noise:.4f}"]
    return [metric.name, said["kind"], "kept" if said["kept"] else "not kept", *cells, *held_out]


def main() -> None:
    """A line for each metric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--test", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = drawn(arguments.data, arguments.rows + arguments.test, arguments.seed)
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for metric in CONTESTS:
            adapter = lay_out(Path(folder), rows, arguments.rows, metric)
            run = kit.run(str(adapter), Path(folder) / metric, out=Path(folder) / f"run-{metric}", quiet=True)
            lines.append(line(run))
            print(*lines[-1], flush=True)
    header = ["metric", "decision", "", "plain", "nested", "gain", "held out, plain", "decided", "gain"]
    print(table(header, lines))


if __name__ == "__main__":
    main()
