"""ImageModule: the one LightningModule of every image competition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, Self

import numpy as np
import torch

from kit.config import Config
from kit.data import augmentation, tta
from kit.data.device_copy import sent
from kit.errors import BadData, Usage, did_you_mean, listed
from kit.labels import Labels
from kit.models import devices, graphed, networks, resident, transfer
from kit.models.base import FoldModel, StepOutput
from kit.models.batch import Batch, Feed, taken
from kit.models.graphed import Graphed
from kit.models.graphs.base import Average, Graph
from kit.models.graphs.images import Pictures
from kit.models.images import depthwise
from kit.models.lightning.module import FoldTrainer
from kit.models.net_module import NetModule
from kit.parts import NONE, Parts, reference, resolve

# Images per forward pass, views included. On a CPU more than fits its cache is slower and erratic: 28×28 images through
# the small net on two cores, 128: 35,000 a second in every run; 512: 18,000 to 34,000; 1024: 19,000 to 29,000. On a GPU
# large ones are fewer: 2,048 pictures of 224 pixels take ResNet-50 12.7 GiB, of 512 pixels more than an H100's 79.
FORWARD = {"cpu": 128, "gpu": 2048}
PIXELS = 1 << 24  # of all pictures in a forward pass on a GPU

INK = 16  # grey levels by which a pixel must differ between pictures: less is a JPEG's noise
MARGIN = 2  # pixels around the ink


class ImageModule(NetModule):
    """Trains on batches of raw uint8 images [b, channels, height, width], predicts probabilities or values.

    `channels`, `side`: of the images; `mirror`: may they be mirrored? `network`: how `kit.parts.resolve`
    finds that of an adapter's own; "": what the Config says.
    """

    takes_weights = True
    architecture: ClassVar[str] = ""  # the network of a subclass whose own name is what `--model` says
    mean: torch.Tensor
    std: torch.Tensor
    box: torch.Tensor

    def __init__(
        self, config: dict[str, Any], labels: dict[str, Any], channels: int, side: int, mirror: bool = False, steps: int = 0,
        network: str = "",
    ):  # fmt: skip
        super().__init__(
            config,
            labels,
            channels=channels,
            side=side,
            mirror=mirror,
            steps=steps,
            **({"network": network} if network else {}),
        )
        self.own_augmentation: Any = None  # of the adapter, while it is trained
        self._sides: list[int] | None = None  # of the box, once it is known
        self.graphed: Graphed | None = None  # while it is trained on a GPU
        net = self.build(channels, side)
        c = self.config
        if c.gradient_checkpointing:
            networks.recompute(net, c.model)
        self.take(net if c.layout == "contiguous" else net.to(memory_format=torch.channels_last))
        self.faster = depthwise.faster(net, c)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        if c.crop == "ink":
            self.register_buffer("box", torch.zeros(4, dtype=torch.int64))  # top, bottom, left, right
        self.set_views(c.views)

    def build(self, channels: int, side: int) -> torch.nn.Module:
        """The network of pictures [b, channels, side, side] to logits [b, outputs] that it trains."""
        c, build = self.config, resolve(self.hparams["network"]) if "network" in self.hparams else None
        return networks.make(
            self.architecture or c.model, channels, side, self.labels.outputs, width=c.width, dropout=c.dropout,
            build=build and (lambda: build(channels, side, self.labels.outputs, c)),
        )  # fmt: skip

    @classmethod
    def of(cls, config: Config, labels: Labels, x: Any, *, steps: int, mirror: bool = False, parts: Parts = NONE) -> Self:
        _, height, width, _ = x.shape
        if config.view_kind == "flips" and config.views > 4 and height != width:
            raise Usage(f"--view-kind flips: pictures of {width}×{height} have 4 views only: the others would turn them.")
        module = super().of(config, labels, x, steps=steps, mirror=mirror, parts=parts)
        module.own_augmentation = parts.augmentations.get(config.augment)
        return module

    @classmethod
    def facts(cls, x: Any, config: Config, mirror: bool, parts: Parts) -> dict[str, Any]:
        """Channels, side and mirroring of the pictures (arrays [n, height, width, channels]), the network's name."""
        build = parts.networks.get(config.model)
        if not build and not cls.architecture and cls.build is ImageModule.build:
            refuse_unknown(config.model, parts)
        own = {"network": reference(build)} if build else {}
        return {**super().facts(x, config, mirror, parts), **own}

    @classmethod
    def remarks(cls, config: Config, channels: int) -> list[str]:
        return transfer.remarks(config, channels) if config.weights else []

    @classmethod
    def feed(cls, x: Any, config: Config, count: int, mirror: bool = False, parts: Parts = NONE) -> Feed:
        if config.augment == "photo" and x.shape[-1] != 3:
            raise BadData("--augment photo: is for colour images; these are grey. Try medium.")
        change = augmentation.photo(x.shape[1:3], mirror) if config.augment == "photo" else None
        own = parts.augmentations.get(config.augment)
        change = own if augmentation.is_compose(own) else change
        if change is not None or not isinstance(x, np.ndarray):
            return Feed(lambda rows: taken(x, rows), config.batch, pictures=x, change=change)
        images = torch.from_numpy(x).permute(0, 3, 1, 2)
        there = resident.keep(x, devices.torch_device(config))
        return Feed(lambda rows: images[torch.from_numpy(rows)], config.batch, resident=there)

    def set_views(self, count: int) -> None:
        """Predict by so many views. Those of a cropped picture, whose side is not known yet, move by one pixel."""
        side = tta.PIXELWISE if self.config.crop == "ink" else self.hparams["side"]
        self.views = tta.make(count, side, self.hparams["mirror"], self.config.view_kind)

    def learn(self, images: Any, rows: np.ndarray, y: np.ndarray) -> None:
        """What is learned before the first step, from the training fold's rows of `images` and all answers `y`.

        The normalisation of pixels (the pretrained weights' own where there are any) and targets, the whitening filters.
        """
        self.scale_targets(y[rows])
        there = resident.of(images, devices.torch_device(self.config))
        if self.config.crop == "ink":
            self.box.copy_(torch.tensor(ink_box(images, rows)))
            self._sides = None
            self._try_box(images[rows[:2]])
            top, bottom, left, right = self.box.tolist()
            images = images[:, top:bottom, left:right] if isinstance(images, np.ndarray) else images
            there = there[:, top:bottom, left:right] if there is not None else None
        mean, std = pixel_statistics(images if there is None else there, rows)
        if self.config.weights:
            known = transfer.pretrained(self.net, self.config, self.hparams["channels"], self.hparams["side"])
            networks.zero_head(self.net)
            if len(known["mean"]) == len(mean):
                mean, std = np.array(known["mean"]), np.array(known["std"])
        self.mean.copy_(torch.from_numpy(mean).view(1, -1, 1, 1))
        self.std.copy_(torch.from_numpy(std).view(1, -1, 1, 1))
        if isinstance(self.net, networks.Whitened):
            first = rows[: networks.Whitened.PATCHES]
            if there is not None:
                self.to(there.device)
            some = torch.from_numpy(images[first]) if there is None else there[torch.from_numpy(first).to(there.device)]
            self.net.learn(self.normalised(some.permute(0, 3, 1, 2)))
        self.average_anew()

    def _try_box(self, some: np.ndarray) -> None:
        """Raise Usage where the network does not take pictures of the box's size."""
        try:
            with torch.inference_mode():
                self.net.eval()(self.normalised(self.cropped(torch.from_numpy(some).permute(0, 3, 1, 2))))
        except (RuntimeError, AssertionError, ValueError) as fault:
            raise Usage(f"--crop ink: --model {self.config.model} does not take the box ({str(fault)[:120]}).") from fault
        self.net.train()

    def cropped(self, images: torch.Tensor) -> torch.Tensor:
        """The pictures [b, c, h, w], or the box of them (`--crop ink`); what lies outside it is not looked at."""
        if self.config.crop != "ink":
            return images
        if self._sides is None:  # read once: each look waits for the GPU
            self._sides = self.box.tolist()
        top, bottom, left, right = self._sides
        return images[..., top:bottom, left:right]

    def adopt(self, source: FoldModel) -> None:
        """Begin with another run's backbone, as it predicts, and its normalisation of pixels."""
        if not isinstance(source, ImageModule) or self.mean.shape != source.mean.shape:
            raise Usage("--from: that run is not one on pictures of as many channels.")
        super().adopt(source)
        self.mean.copy_(source.mean)
        self.std.copy_(source.std)

    def normalised(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 or float 0…255 [b, c, h, w] to zero mean and unit deviation, in the chosen memory format."""
        factor, offset = 1 / (255 * self.std), -self.mean / self.std  # folded: two passes over the pixels, not four
        if images.stride(1) == 1 and images.shape[1] > 1:  # whole rows of pixels at a time: three channels are no vector
            count, channels, height, width = images.shape
            wide = [one.view(-1).repeat(width) for one in (factor, offset)]
            rows = images.permute(0, 2, 3, 1).reshape(count * height, width * channels)
            x = (rows.float() * wide[0]).add_(wide[1]).view(count, height, width, channels).permute(0, 3, 1, 2)
        else:
            x = (images.float() * factor).add_(offset)
        return x if self.config.layout == "contiguous" else channels_last(x)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """Raw images to the outputs of the net that trains."""
        return self._logits(x) if self.graphed is None or not self.training else self.graphed(x)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(self.normalised(x)).float()

    def on_train_start(self) -> None:
        if self.captures:
            self.graphed = Graphed(self.net, self._logits)

    @property
    def captures(self) -> bool:
        """Are the passes of this fit captured as CUDA graphs? Not where layers thaw, or gradients of parts are added.

        Nor those of a guest's network or module: what Python decides in them anew each time would stay as it was captured.
        """
        c = self.config
        ours = type(self).__module__.startswith("kit.") and "network" not in self.hparams
        ours = ours and isinstance(self._trainer, FoldTrainer) and self.device.type == "cuda"
        plain = c.strategy == "full" and c.accumulate == 1 and not c.gradient_checkpointing
        return ours and plain and self.steps >= graphed.STEPS

    def finish(self) -> None:
        self.graphed = None
        super().finish()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Raw images to predictions [b, c], by the averaged weights where there are any."""
        return self.answers(self.predictor(self.normalised(x)).float())

    def training_step(self, batch: Batch, batch_idx: int) -> StepOutput:
        assert batch.y is not None
        c, epoch = self.config, batch.epoch
        images, other, share = self.augmented(self.cropped(batch.x), batch), None, 1.0
        if self.own_augmentation is None and (c.mix_until == 1 or self.progress(epoch) < c.mix_until):
            images, other, share = augmentation.mix(c.augment, images, c.seed, epoch, batch.step)
        with self.faster or nullcontext():
            logits, scaled = self.logits(self.network_inputs(images, batch, other, share)), self.scaled(batch.y)
        loss = self.mean_loss(logits, scaled, batch.weights)
        if other is not None:
            weights = None if batch.weights is None else batch.weights[other.cpu()]
            loss = share * loss + (1 - share) * self.mean_loss(logits, scaled[other], weights)
        return self.stepped(batch, loss * batch.share, self.answers(logits.detach()))

    def network_inputs(self, images: torch.Tensor, batch: Batch, other: torch.Tensor | None, share: float) -> Any:
        """What `logits` takes of a batch to train on, by its pictures as the net is to see them: here these alone.

        Where they were mixed, each has `share` of its own row, and the rest of the row at `other`.
        """
        return images

    def progress(self, epoch: int) -> float:
        """The share of the fit that was over when this epoch began: of its epochs, or of its time where that is short."""
        return max(epoch / self.config.epochs, self.position)

    def augmented(self, images: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Training pictures 0…255 [b, c, h, w] as the net is to see them in this epoch (`--augment`)."""
        if augmentation.is_compose(self.own_augmentation):  # done already, by the workers
            return images
        if self.own_augmentation is not None:
            return self.own_augmentation(images)
        c, keys = self.config, batch.rows if batch.keys is None else batch.keys
        return augmentation.apply(c.augment, images, c.seed, batch.epoch, keys, self.hparams["mirror"])

    @classmethod
    def graph(cls, models: Sequence[Self], weights: list[float]) -> Graph:
        return Average([Pictures(model) for model in models], weights).eval()

    def rows_per_pass(self, device: str) -> int:
        images = FORWARD[device]
        if device == "gpu":
            images = min(images, PIXELS // self.hparams["side"] ** 2)
        return max(1, images // len(self.views))

    def ready(self, x: Any) -> None:
        resident.keep(x, self.device)

    def gather(self, x: Any, rows: np.ndarray) -> Batch:
        there = resident.of(x, self.device)
        if there is None:
            return super().gather(x, rows)
        index = torch.from_numpy(rows)
        return Batch(resident.rows(there, sent(index, there.device)), None, index)

    def by_view(self, batch: Batch, run: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        images = self.cropped(batch.x).float()
        every = torch.cat([view.do(images) for view in self.views])
        return torch.stack(run(every).chunk(len(self.views)))

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> torch.Tensor:
        """The mean prediction over the views [b, c], all views in one forward pass."""
        parts = self.by_view(batch, self)
        undone = [view.undo(part) if view.undo else part for view, part in zip(self.views, parts, strict=True)]
        return torch.stack(undone).mean(dim=0)


def ink_box(images: Any, rows: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left, right (both ends exclusive at bottom and right) of the pixels in which these rows differ.

    With a margin: other rows may reach further. Raises BadData where no pixel differs.
    """
    lowest = np.full(images.shape[1:], 255, np.uint8)
    highest = np.zeros(images.shape[1:], np.uint8)
    each = max(1, (1 << 24) // int(np.prod(images.shape[1:])))  # rows of about 16 MB
    for start in range(0, len(rows), each):
        some = images[rows[start : start + each]]
        np.minimum(lowest, some.min(axis=0), out=lowest)
        np.maximum(highest, some.max(axis=0), out=highest)
    ink: np.ndarray = np.any(highest.astype(int) - lowest > INK, axis=-1)
    if not ink.any():
        raise BadData("--crop ink: the training pictures are all the same.")
    sides = []
    for axis in (0, 1):
        found = np.flatnonzero(ink.any(axis=1 - axis))
        sides += [max(0, int(found[0]) - MARGIN), min(ink.shape[axis], int(found[-1]) + 1 + MARGIN)]
    return sides[0], sides[1], sides[2], sides[3]


def pixel_statistics(images: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel (of pixels from 0 to 1) over these rows; over 4,096 of them if streamed.

    `images` uint8 [n, h, w, c]: an array, a tensor on a GPU or what is streamed; the sums are whole numbers, and so the same.
    """
    streamed = not isinstance(images, np.ndarray | torch.Tensor)
    rows = rows[:: max(1, len(rows) // 4096)] if streamed else rows
    each = max(1, (1 << 24) // int(np.prod(images.shape[1:])))  # rows of about 16 MB
    sums = [_sums(images, rows[start : start + each]) for start in range(0, len(rows), each)]
    first, second = np.sum(sums, axis=0)
    count = len(rows) * images.shape[1] * images.shape[2]
    mean = first / (255 * count)
    return mean, np.sqrt(np.maximum(second / (255**2 * count) - mean**2, 1e-6))


def _sums(images: Any, rows: np.ndarray) -> np.ndarray:
    """The sums of pixels and of their squares, int64 [2, c]."""
    if isinstance(images, torch.Tensor):
        some = images[torch.from_numpy(rows).to(images.device)].int()
        return torch.stack([part.sum(dim=(0, 1, 2), dtype=torch.int64) for part in (some, some * some)]).cpu().numpy()
    flat = images[rows].reshape(-1, images.shape[-1])
    count = np.stack([np.bincount(channel, minlength=256) for channel in flat.T], axis=1)  # 7 times as fast as squares
    return np.stack([np.arange(256) ** power @ count for power in (1, 2)])


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """`x` [b, c, h, w] in channels_last, so that the convolutions know it.

    One channel is in both formats at once, and torch then goes by the strides: they must say channels_last too.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    _, c, h, w = x.shape
    return x.as_strided(x.shape, (h * w, 1, w, 1)) if c == 1 else x


def refuse_unknown(model: str, parts: Parts) -> None:
    """Raise Usage for a `--model` that names a module of the adapter's but no network, or hardly misses one of its networks."""
    if model in parts.modules:
        raise Usage(f'--model {model}: the module does not say which network it trains. State architecture = "convnet", say.')
    meant = did_you_mean(model, parts.networks)
    if meant and not networks.is_known(model):
        raise Usage(
            f"--model {model!r}: no network of the adapter's ({listed(parts.networks)}), of the kit's or of timm's.{meant}"
        )
