"""The kit's way with images beside what people write by hand, on Kaggle's cifar-10: training, loading, inference.

    python scripts/bench/images.py --data DIR [--run RUN] [--repeats 3]

Contenders alternate in fresh processes; printed are medians, the kit's ratio to each, and quality where it is not given.

training:  img/s of the kit's fit and of a plain LightningModule (fp32, NCHW, torchvision per sample in two workers), the
           same net, batch and rows; and the share of a step that waits for data.
loading:   img/s of one core: mirrored, moved by up to 2 px and normalised, by the kit in batches of 512, by torchvision and
           by albumentations per sample.
inference: img/s for all models and views of RUN (a complete run of cifar10) on the first test rows: the kit, and a loop of
           eager fp32 models that reads and decodes the data anew for each; and on how many rows they agree.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import alternate, medians, parser

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def fold_zero(data: Path, rows: int) -> Any:
    """Fold 0 of the competition, cut to so many training rows."""
    from kit import competition
    from kit.models import devices
    from kit.training.fold import Fold

    adapter = competition.load("cifar10")
    facts = adapter.competition
    tables = facts.tables(data)
    y = tables.labels.encode(tables.train)
    images = facts.inputs.load(data, tables.train, "train", 0).rows
    config = devices.choose(adapter.preset("fast").changed(epochs=1, snapshot=1e9))
    train, valid = np.arange(rows), np.arange(rows, rows + 2000)
    return Fold(
        name="bench", number=0, folder=Path("none"), x=images, y=y, train=train, valid=valid, config=config,
        labels=tables.labels, metric=facts.metric, mirror=True,
    )  # fmt: skip


def train_kit(data: Path, rows: int) -> dict[str, float]:
    """The kit's own fit, and how long its feed alone takes."""
    from kit.console import Progress
    from kit.data import augmentation
    from kit.models.images.image_module import ImageModule
    from kit.training.datamodule import FoldData
    from kit.training.fit import fit
    from kit.training.signals import Stop

    fold = fold_zero(data, rows)
    seconds = fit(fold, Stop(), Progress(quiet=True)).state.seconds
    batches = FoldData(fold, module=ImageModule).train_dataloader()
    began = time.perf_counter()
    for batch in batches:
        augmentation.apply(fold.config.augment, batch.x, 0, 0, batch.rows, True)
    return {"rate": rows / seconds, "wait": (time.perf_counter() - began) / seconds}


def train_plain(data: Path, rows: int) -> dict[str, float]:
    """A LightningModule, a Dataset and torchvision transforms as a tutorial has them; the kit's net."""
    import pytorch_lightning as pl
    from PIL import Image
    from torchvision import transforms as T

    from kit.models import networks

    fold = fold_zero(data, rows)
    change = T.Compose(
        [T.RandomCrop(32, 2, padding_mode="reflect"), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, STD)]
    )

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return rows

        def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
            return change(Image.fromarray(fold.x[i])), int(fold.y[i])

    class Plain(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = networks.make("whitened", 3, 32, 10, width=fold.config.width)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1], label_smoothing=0.2)
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, nesterov=True)

    loader = torch.utils.data.DataLoader(Rows(), batch_size=fold.config.batch, shuffle=True, num_workers=2)
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=1, accelerator="auto", devices=1, **silent)
    began = time.perf_counter()
    trainer.fit(Plain(), loader)
    return {"rate": rows / (time.perf_counter() - began)}


def load_kit(data: Path, rows: int) -> dict[str, float]:
    """Batches of 512 as the fit gets them, up to the normalised floats."""
    from kit.data import augmentation
    from kit.models.images.image_module import ImageModule
    from kit.training.datamodule import FoldData

    fold = fold_zero(data, rows)
    module = ImageModule.of(fold.config, fold.labels, fold.x, steps=1, mirror=True)
    batches = FoldData(fold, module=ImageModule).train_dataloader()
    list(batches)
    began = time.perf_counter()
    for batch in batches:
        module.normalised(augmentation.apply("light", batch.x, 0, 0, batch.rows, True))
    return {"rate": rows / (time.perf_counter() - began)}


def load_torchvision(data: Path, rows: int) -> dict[str, float]:
    """Per sample on PIL images, collated."""
    from PIL import Image
    from torchvision import transforms as T

    fold = fold_zero(data, rows)
    change = T.Compose(
        [T.RandomCrop(32, 2, padding_mode="reflect"), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, STD)]
    )
    began = time.perf_counter()
    for start in range(0, rows, 512):
        torch.stack([change(Image.fromarray(image)) for image in fold.x[start : start + 512]])
    return {"rate": rows / (time.perf_counter() - began)}


def load_albumentations(data: Path, rows: int) -> dict[str, float]:
    """Per sample on arrays, collated."""
    import os

    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A

    fold = fold_zero(data, rows)
    change = A.Compose(
        [A.PadIfNeeded(36, 36, border_mode=4), A.RandomCrop(32, 32), A.HorizontalFlip(), A.Normalize(MEAN, STD)], seed=0
    )
    began = time.perf_counter()
    for start in range(0, rows, 512):
        some = np.stack([change(image=np.ascontiguousarray(image))["image"] for image in fold.x[start : start + 512]])
        torch.from_numpy(some).permute(0, 3, 1, 2).contiguous()
    return {"rate": rows / (time.perf_counter() - began)}


def infer_kit(data: Path, run: Path, rows: int, out: Path) -> dict[str, float]:
    """All models and views, from the decoded test set."""
    from kit import competition
    from kit.config import Config
    from kit.inference import members
    from kit.models import devices, prediction
    from kit.storage import run_folder

    source = run_folder.load(run)
    facts = competition.load("cifar10").competition
    asked = facts.test_tables(data)
    models = members.load(source)
    config = devices.choose(Config(**source.info["config"]))
    images = facts.inputs.load(data, asked.test, "test", 0).rows
    prediction.predict(models[0], images[:512], None, config)
    began = time.perf_counter()
    images = facts.inputs.load(data, asked.test, "test", 0).rows[:rows]
    mean = sum(prediction.predict(model, images, None, config) for model in models)
    seconds = time.perf_counter() - began
    np.save(out, mean.argmax(axis=1))
    return {"rate": len(images) / seconds}


def infer_loop(data: Path, run: Path, rows: int, out: Path) -> dict[str, float]:
    """For each model and view: read, decode, normalise, predict in fp32, NCHW, batches of 128."""
    import io
    import zipfile

    from PIL import Image

    from kit import competition
    from kit.inference import members
    from kit.storage import run_folder

    models = members.load(run_folder.load(run))
    ids = list(competition.load("cifar10").competition.test_tables(data).sample.index)[:rows]
    total: Any = 0
    began = time.perf_counter()
    for model in models:
        net = model.predictor.to(memory_format=torch.contiguous_format)
        for view in model.views:
            parts = []
            with zipfile.ZipFile(data / "test.zip") as archive, torch.inference_mode():
                for start in range(0, len(ids), 128):
                    names = [f"test/{one}.png" for one in ids[start : start + 128]]
                    arrays = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
                    images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float().contiguous()
                    x = (view.do(images) / 255 - model.mean) / model.std
                    parts.append(net(x).softmax(dim=1))
            total = total + torch.cat(parts)
    seconds = time.perf_counter() - began
    np.save(out, total.argmax(dim=1).numpy())
    return {"rate": len(ids) / seconds}


CONTENDERS: dict[str, list[Any]] = {
    "training": [train_kit, train_plain],
    "loading": [load_kit, load_torchvision, load_albumentations],
    "inference": [infer_kit, infer_loop],
}


def contend(arguments: argparse.Namespace) -> None:
    """Be one contender and print what was measured."""
    warnings.simplefilter("ignore")
    work = next(one for many in CONTENDERS.values() for one in many if one.__name__ == arguments.contender)
    if work in CONTENDERS["inference"]:
        print(json.dumps(work(arguments.data, arguments.run, arguments.test_rows, arguments.out)))
        return
    if work in CONTENDERS["loading"]:
        torch.set_num_threads(1)
    print(json.dumps(work(arguments.data, arguments.rows)))


def _out(folder: str, name: str) -> list[str]:
    return ["--out", f"{folder}/{name}.npy"]


def main() -> None:
    """Alternate the contenders of each part and print the medians."""
    words = parser(__doc__)
    words.add_argument("--run", type=Path)
    words.add_argument("--rows", type=int, default=10240)
    words.add_argument("--test-rows", type=int, default=2000)
    words.add_argument("--part", choices=CONTENDERS)
    words.add_argument("--out", type=Path)
    arguments = words.parse_args()
    if arguments.contender:
        contend(arguments)
        return
    import tempfile

    for part in [arguments.part] if arguments.part else CONTENDERS:
        if part == "inference" and not arguments.run:
            print("inference: needs --run")
            continue
        with tempfile.TemporaryDirectory() as folder:
            names = [one.__name__ for one in CONTENDERS[part]]
            middle = medians(alternate(names, arguments.repeats, partial(_out, folder)))
            first = middle[names[0]]
            for name, one in middle.items():
                rest = f"  data wait {one['wait']:.1%} of a step" if "wait" in one else ""
                if part == "inference" and name != names[0]:
                    same = np.load(f"{folder}/{names[0]}.npy") == np.load(f"{folder}/{name}.npy")
                    rest = f"  same answer in {same.mean():.2%} of rows"
                faster = first["rate"] / one["rate"]
                print(f"{part:10} {name:20} {one['rate']:9,.0f} img/s  kit is {faster:.2f}× as fast{rest}")


if __name__ == "__main__":
    main()
