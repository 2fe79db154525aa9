"""Texts together with columns, beside each part alone: film reviews with a made column, scored on rows that no run saw.

    python scripts/bench/mixed.py --data DIR [--rows 2000] [--test 5000] [--seeds 1] [--tasks adds,turns,noise] [--KNOB VALUE …]

`--data`: the folder of the IMDB competition. Made sets of its labelled reviews: `adds`, where the answer is the review's and a
column of numbers (deviation 1 around ±0.7) says something of it, too; `turns`, where the answer is turned round in the rows of
one category, so that neither part says anything alone; `noise`, whose columns say nothing. Printed: accuracy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import kit

ADAPTER = """
import kit
from kit.metrics import accuracy
competition = kit.Competition("reviews", id="id", inputs={inputs}, labels=kit.OneOf("label", ("0", "1")), metric=accuracy)
"""
INPUTS = {
    "text": ("kit.Text('review')", {"preset": "fast"}),
    "columns": ("kit.Table(without=('review',))", {"model": "mlp", "width": 64, "batch": 256, "lr": 5e-3, "epochs": 20}),
    "both": ("(kit.Text('review'), kit.Table())", {}),
}


def reviews(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The labelled reviews and their sentiment (0 or 1)."""
    path = next(path for path in folder.rglob("labeledTrainData.tsv*"))
    table = pd.read_csv(path, sep="\t", escapechar="\\")
    return table["review"].to_numpy(object), table["sentiment"].to_numpy()


def lay_out(folder: Path, texts: np.ndarray, sentiment: np.ndarray, task: str, train: int, seed: int) -> None:
    """The competition's files of one made set."""
    rng = np.random.default_rng(seed)
    tone = rng.choice(["plain", "ironic"], len(texts))
    answer = sentiment ^ (tone == "ironic") if task == "turns" else sentiment
    score = rng.normal(size=len(texts)) + (0.7 * (2 * answer - 1) if task == "adds" else 0)
    noise = rng.normal(size=len(texts))
    ids = [f"r{i}" for i in range(len(texts))]
    columns = {"id": ids, "tone": tone, "score": score.round(3), "noise": noise.round(3), "review": texts, "label": answer}
    table = pd.DataFrame(columns)
    table[:train].to_csv(folder / "train.csv", index=False)
    rest = table[train:]
    rest.drop(columns="label").to_csv(folder / "test.csv", index=False)
    rest[["id", "label"]].to_csv(folder / "solution.csv", index=False)
    rest[["id"]].assign(label=0).to_csv(folder / "sample_submission.csv", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--test", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tasks", default="adds,turns,noise")
    options, rest = parser.parse_known_args()
    knobs = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    texts, sentiment = reviews(options.data)
    for task in options.tasks.split(","):
        for seed in range(options.seeds):
            some = np.random.default_rng(seed).permutation(len(texts))[: options.rows + options.test]
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                lay_out(folder, texts[some], sentiment[some], task, options.rows, seed)
                for part, (inputs, own) in INPUTS.items():
                    (folder / f"{part}.py").write_text(ADAPTER.format(inputs=inputs), encoding="utf-8")
                    began = time.monotonic()
                    chosen = {**own, **(knobs if part == "both" else {})}
                    run = kit.run(str(folder / f"{part}.py"), folder, out=folder / f"run-{part}", quiet=True, **chosen)
                    scores = f"oof {run.scores['oof']:.4f} held out {run.scores['extra']['held_out']:.4f}"
                    print(f"{task:5} seed {seed} {part:8} {scores} {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
