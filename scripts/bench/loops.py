"""The kit's training beside a plain Lightning loop and a raw PyTorch loop: same net, batch, rows and epochs.

    python scripts/bench/loops.py --data DIR [--epochs 2] [--width 32] [--repeats 5]

DIR holds Kaggle's digit-recognizer. Contenders alternate in fresh processes; printed are the medians of rows per second
(training only: no imports, no reading) and accuracy on the rows of fold 0, and the kit's ratio to each.

plain: fp32, contiguous, DataLoader over tensors, no augmentation, as tutorials write it.
raw:   what the kit does (precision, layout, augmentation, EMA, one-cycle AdamW), without Lightning or the kit's callbacks.
"""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contest import alternate, medians, parser
from torch.nn.functional import cross_entropy

CONTENDERS = ("kit", "plain", "raw")


def kit_loop(fold: Any) -> tuple[float, Any]:
    """The kit's own fit."""
    from kit.console import Progress
    from kit.training.fit import fit
    from kit.training.signals import Stop

    fitted = fit(fold, Stop(), Progress(1, quiet=True))
    return fitted.state.seconds, fitted.module


def plain_loop(fold: Any) -> tuple[float, Any]:
    """A LightningModule and a DataLoader as a tutorial has them."""
    import pytorch_lightning as pl

    from kit.models import networks

    class Plain(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = networks.make("convnet", 1, 28, 10, width=fold.config.width)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            loss = cross_entropy(self.net(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.AdamW(self.parameters(), fold.config.lr, weight_decay=fold.config.weight_decay)
            steps = fold.config.epochs * len(loader)
            rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, fold.config.lr, total_steps=steps)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

        def predict_step(self, images: torch.Tensor) -> torch.Tensor:
            return self.net((images.float() / 255 - mean) / std)

    pixels = torch.from_numpy(fold.x[fold.train]).permute(0, 3, 1, 2).float().contiguous() / 255
    mean, std = pixels.mean(), pixels.std()
    rows = torch.utils.data.TensorDataset((pixels - mean) / std, torch.from_numpy(fold.y[fold.train]))
    loader = torch.utils.data.DataLoader(rows, batch_size=fold.config.batch, shuffle=True)
    module = Plain()
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=fold.config.epochs, accelerator="auto", devices=1, **silent)
    began = time.perf_counter()
    trainer.fit(module, loader)
    return time.perf_counter() - began, module.eval()


def raw_loop(fold: Any) -> tuple[float, Any]:
    """The same work as the kit's in a bare loop."""
    from kit.data import augmentation
    from kit.models import devices
    from kit.models.images.image_module import ImageModule
    from kit.training.datamodule import FoldData

    config = fold.config
    batches = FoldData(fold, module=ImageModule).train_dataloader()
    module = ImageModule.of(config, fold.labels, fold.x, steps=batches.steps * config.epochs)
    module.learn(fold.x, fold.train, fold.y)
    device = devices.torch_device(config)
    module.to(device)
    chosen = module.configure_optimizers()
    optimizer, rate = chosen["optimizer"], chosen["lr_scheduler"]["scheduler"]
    began = time.perf_counter()
    for epoch in range(config.epochs):
        for rows in batches.order(epoch):
            index = torch.from_numpy(rows)
            images, y = batches.feed.collate(rows).to(device), batches.y[index].to(device)
            with devices.autocast(config):
                x = augmentation.apply(config.augment, images.float(), config.seed, epoch, index)
                loss = cross_entropy(module.net(module.normalised(x)).float(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
            module.averaged.update_parameters(module.net)
    return time.perf_counter() - began, module.eval()


def contend(name: str, epochs: int, width: int, cache: Path) -> dict[str, float]:
    """Train one contender on fold 0 and measure it."""
    from kit import competition
    from kit.data import folds
    from kit.models import devices, prediction
    from kit.training.fold import Fold

    adapter = competition.load("mnist")
    config = devices.choose(adapter.preset("fast").changed(epochs=epochs, width=width, views=1, snapshot=1e9))
    images, y = np.load(cache)["images"], np.load(cache)["y"]
    train, valid = folds.make([str(i) for i in range(len(y))], 5, 0, y).split(0)
    fold = Fold(
        name=name, number=0, folder=cache.parent / "none", x=images, y=y, train=train, valid=valid, config=config,
        labels=adapter.competition.labels, metric=adapter.competition.metric,
    )  # fmt: skip
    torch.manual_seed(0)
    seconds, module = {"kit": kit_loop, "plain": plain_loop, "raw": raw_loop}[name](fold)
    if name == "plain":
        with torch.inference_mode():
            parts = torch.from_numpy(valid).split(1024)
            pool = torch.from_numpy(images).permute(0, 3, 1, 2)
            predicted = torch.cat([module.predict_step(pool[some]) for some in parts]).numpy()
    else:
        predicted = prediction.predict(module, images, valid, config)
    return {"rows_per_second": epochs * len(train) / seconds, "accuracy": fold.score(predicted)}


def main() -> None:
    """Alternate the contenders and print the medians."""
    words = parser(__doc__, CONTENDERS, repeats=5)
    words.add_argument("--epochs", type=int, default=2)
    words.add_argument("--width", type=int, default=32)
    words.add_argument("--cache", type=Path)
    arguments = words.parse_args()
    if arguments.contender:
        warnings.simplefilter("ignore")
        print(json.dumps(contend(arguments.contender, arguments.epochs, arguments.width, arguments.cache)))
        return
    import tempfile

    from kit import competition

    with tempfile.TemporaryDirectory() as folder:
        facts = competition.load("mnist").competition
        tables = facts.tables(arguments.data)
        cache = Path(folder) / "rows.npz"
        np.savez(
            cache, images=facts.inputs.load(arguments.data, tables.train, "train", 0).rows, y=tables.labels.encode(tables.train)
        )
        middle = medians(alternate(CONTENDERS, arguments.repeats, lambda name: ["--cache", str(cache)]))
    for name, one in middle.items():
        faster = middle["kit"]["rows_per_second"] / one["rows_per_second"]
        print(f"{name:6} {one['rows_per_second']:9,.0f} rows/s  accuracy {one['accuracy']:.4f}  kit is {faster:.2f}× as fast")


if __name__ == "__main__":
    main()
