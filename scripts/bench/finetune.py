"""Fine-tuning of a transformer beside a plain Hugging Face Trainer: real tokens a second, same batch and precision.

    python scripts/bench/finetune.py --data DIR [--weights MODEL] [--rows 1024] [--repeats 3]

DIR: Kaggle's word2vec-nlp-tutorial. Without `--weights` a BERT of random weights (2 layers of 128: a CPU's work) and a
tokenizer learned on the texts. Contenders alternate in fresh processes; both fine-tune one epoch on the same rows and then
answer 512 others. The Trainer (needs accelerate) shuffles and pads to the longest of a batch, as its guide does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from contest import alternate, medians, parser

CONTENDERS = ("kit", "trainer")
TESTED = 512


def model_folder(texts: list[str], folder: Path) -> Path:
    """A small random BERT and a tokenizer of these texts, as transformers saves them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    fast.normalizer, fast.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=8000, special_tokens=list(marks.values()), show_progress=False)
    fast.train_from_iterator(texts, trainer)
    fast.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    PreTrainedTokenizerFast(tokenizer_object=fast, model_max_length=512, **marks).save_pretrained(folder)
    shape = BertConfig(vocab_size=8000, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512)
    BertForSequenceClassification(shape).save_pretrained(folder)
    return folder


def kit_fit(texts: list[str], y: np.ndarray, a: argparse.Namespace) -> tuple[float, np.ndarray]:
    """Seconds of the fit, and the predictions of the last rows."""
    from kit.console import Progress
    from kit.inputs.text import TRANSFORMER, Texts
    from kit.labels import Columns
    from kit.metrics import auc
    from kit.models import devices, prediction
    from kit.training.fit import fit
    from kit.training.fold import Fold
    from kit.training.signals import Stop

    knobs = {"weights": str(a.weights), "epochs": 1, "batch": a.batch, "lr": a.lr, "precision": a.precision, "snapshot": 1e9}
    config = devices.choose(TRANSFORMER.changed(**knobs), "text")
    x, rows = Texts(texts), np.arange(a.rows)
    with tempfile.TemporaryDirectory() as folder:
        fold = Fold(
            name="", number=0, folder=Path(folder), x=x, y=y[:, None].astype(np.float32), train=rows, valid=rows[:0],
            config=config, labels=Columns(("p",)), metric=auc,
        )  # fmt: skip
        began = time.perf_counter()
        module = fit(fold, Stop(), Progress(quiet=True)).module
        seconds = time.perf_counter() - began
        return seconds, prediction.predict(module, x, np.arange(a.rows, len(texts)), config)[:, 0]


def trainer_fit(texts: list[str], y: np.ndarray, a: argparse.Namespace) -> tuple[float, np.ndarray]:
    """The same by a Trainer."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(a.weights)
    cuda = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        how = TrainingArguments(
            output_dir=folder, num_train_epochs=1, per_device_train_batch_size=a.batch, learning_rate=a.lr, weight_decay=0.01,
            warmup_steps=0.1, lr_scheduler_type="linear", report_to=[], save_strategy="no", logging_strategy="no",
            disable_tqdm=True, per_device_eval_batch_size=64, bf16=a.precision == "bf16", use_cpu=not cuda,
        )  # fmt: skip
        began = time.perf_counter()
        torch.manual_seed(0)
        net = AutoModelForSequenceClassification.from_pretrained(a.weights, num_labels=2)
        encoded = tokenizer([one.replace("<br />", " ") for one in texts], truncation=True, max_length=512)["input_ids"]
        rows = [
            {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": int(one)}
            for ids, one in zip(encoded, y, strict=True)
        ]
        trainer = Trainer(net, how, DataCollatorWithPadding(tokenizer), train_dataset=rows[: a.rows])
        trainer.train()
        seconds = time.perf_counter() - began
        return seconds, trainer.predict(rows[a.rows :]).predictions[:, 1]


def contend(a: argparse.Namespace) -> None:
    """One contender's figures as JSON."""
    from sklearn.metrics import roc_auc_score

    from kit.data import tokenization
    from kit.inputs.text import Texts

    warnings.simplefilter("ignore")
    tokenization.quiet()
    rows = json.loads((a.cache / "rows.json").read_text())
    texts, y = rows["texts"], np.array(rows["y"])
    seconds, predicted = {"kit": kit_fit, "trainer": trainer_fit}[a.contender](texts, y, a)
    tokenizer, _ = tokenization.load("bert", str(a.weights))
    real = int(tokenizer.tokens(Texts(texts[: a.rows])).lengths(512).sum())
    print(json.dumps({"tokens": real / seconds, "auc": float(roc_auc_score(y[a.rows :], predicted)), "seconds": seconds}))


def main() -> None:
    """Alternate the contenders; print the medians."""
    words = parser(__doc__, CONTENDERS)
    words.add_argument("--weights", type=Path)
    words.add_argument("--rows", type=int, default=1024)
    words.add_argument("--batch", type=int, default=16)
    words.add_argument("--lr", type=float, default=2e-4)
    words.add_argument("--precision", default="fp32")
    words.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    a = words.parse_args()
    if a.contender:
        contend(a)
        return
    from kit import competition

    tables = competition.load("imdb").competition.tables(a.data)
    some = tables.train.iloc[: a.rows + TESTED]
    texts, y = list(some["review"]), [int(one) for one in some["sentiment"]]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rows.json").write_text(json.dumps({"texts": texts, "y": y}))
        weights = a.weights or model_folder(texts, Path(folder) / "model")
        more = ["--weights", str(weights), "--cache", folder]
        middle = medians(alternate(CONTENDERS, a.repeats, lambda name: more))
    for name, one in middle.items():
        faster = middle["kit"]["tokens"] / one["tokens"]
        print(f"{name:8} {one['tokens']:9,.0f} tokens/s  AUC {one['auc']:.4f}  kit is {faster:.2f}× as fast")


if __name__ == "__main__":
    main()
