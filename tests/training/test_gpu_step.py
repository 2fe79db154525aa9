"""What a training step asks of a GPU, counted without one: kernels, copies to it, and reads, for which the host would wait.

The tensors have shapes and no content (torch's `meta` device): whoever reads a number fails. Casts of mixed precision are left
out.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kit import competition as competitions
from kit.config import Config
from kit.labels import OneOf
from kit.metrics import accuracy
from kit.models import devices, resident
from kit.models.images.image_module import ImageModule
from kit.training.datamodule import FoldData
from kit.training.fold import Fold

LABELS = OneOf("label", tuple("abcdefghij"))
COPIES = {"_to_copy", "copy_", "_foreach_copy_"}
NONE = {  # of what only makes another view, or takes memory
    "view", "permute", "t", "transpose", "slice", "select", "expand", "detach", "alias", "unsqueeze", "squeeze", "as_strided",
    "_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "split", "unbind", "lift_fresh",
    "is_same_size", "_reshape_alias", "unfold",
}  # fmt: skip
ROWS = 3000


class Counted(TorchDispatchMode):
    """Counts the operations with a tensor of the pretended GPU, by name, and the copies to it."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        name = str(operation).split(".")[1]
        out = None if name == "_fused_sgd_" else operation(*given, **(named or {}))  # torch has no pretended one
        before, after = (
            {t.device.type for t in tree_leaves(part) if isinstance(t, torch.Tensor)} for part in ((given, named), out)
        )
        if name in COPIES and "meta" in after and before != {"meta"}:
            self.sent[name] += 1
        elif "meta" in before | after and name not in NONE:
            self.kernels[name] += 1
        return out


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    device = torch.device("meta")
    monkeypatch.setattr(devices, "torch_device", lambda config: device)
    monkeypatch.setattr(
        sys.modules["torch.optim.optimizer"], "_get_fused_kernels_supported_devices", lambda: ["meta", "cpu", "cuda"]
    )
    yield device
    resident.clear()


def counted(config: Config, device: torch.device, batches: int = 3) -> Counted:
    """The last of some training steps, from the rows' order to the averaged weights."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (ROWS, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, ROWS)
    config = config.changed(devices="gpu", precision="bf16", layout="channels_last")
    fold = Fold(
        name="fold 0", number=0, folder=Path(), x=x, y=y, train=np.arange(2000), valid=np.arange(2000, ROWS), config=config,
        labels=LABELS, metric=accuracy, mirror=True,
    )  # fmt: skip
    module = ImageModule.of(config, LABELS, x, steps=10, mirror=True)
    module.learn(x, fold.train, y)
    module.to(device).train()
    optimizer = module.configure_optimizers()["optimizer"]
    feed = iter(FoldData(fold, module=ImageModule).train_dataloader())
    for step in range(batches):
        with Counted() as found:
            batch = next(feed).to(device)
            module.on_train_batch_start(batch, step)
            out = module.training_step(batch, step)
            optimizer.zero_grad()
            out["loss"].backward()
            optimizer.step()
            module.on_train_batch_end(out, batch, step)
    return found


RECORD = competitions.load("cifar10").preset("fast").changed(batch=500)
CASES = {
    "the recipe of CIFAR-10": (RECORD, 2, 250),
    "heavy, with an average": (Config(augment="heavy", batch=256, ema=0.99), 2, 250),
    "cutmix": (RECORD.changed(augment="cutmix", ema=0.99), 3, 280),
    "trivial": (Config(augment="trivial", batch=256), 4, 400),
    "sgd on an ink box": (Config(optimizer="sgd", crop="ink", augment="medium", batch=256), 2, 250),
    "plateau": (Config(schedule="plateau", augment="none", batch=256), 1, 250),
}


@pytest.mark.parametrize(("config", "sent", "kernels"), CASES.values(), ids=CASES)
def test_a_step_reads_nothing_sends_little_and_asks_for_few_kernels(
    config: Config, sent: int, kernels: int, pretended: torch.device
) -> None:
    found = counted(config, pretended)
    assert found.sent.total() == sent, found.sent
    assert found.kernels.total() <= kernels, found.kernels.most_common(20)


def test_the_count_sees_what_it_is_to_see(pretended: torch.device) -> None:
    with Counted() as found:
        there = torch.ones(3).to(pretended)
        (there * 2 + 1).view(3, 1)
    assert (found.sent.total(), found.kernels.total()) == (1, 2)
    for read in (torch.Tensor.cpu, float, bool, torch.Tensor.tolist):  # each would wait for the GPU: here it fails
        with pytest.raises((RuntimeError, NotImplementedError)):
            read(there[0])
