"""Batches whose images are decoded or augmented one by one, in worker processes."""

from __future__ import annotations

import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kit import resources
from kit.data import augmentation
from kit.errors import BadData, KitError
from kit.models.batch import Batch, Feed
from kit.training.loaders import Batches

SHARED = Path("/dev/shm")  # where workers hand batches over


AHEAD = 2  # batches that each worker prepares ahead


DEATHS = ("DataLoader worker (pid", "DataLoader timed out")  # how torch says that a worker died or hangs


TIMEOUT = 25  # seconds for a batch: a worker that was stopped or hangs is noticed, and once replaced, within a minute


class WorkerBatches(Batches):
    """Batches of the feed's pictures, which are decoded, and pass through its `change`, one by one."""

    def __init__(self, feed: Feed, *rest: Any, workers: int = 0, say: Callable[[str], None] = print, **options: Any):
        super().__init__(feed, *rest, **options)
        self.pictures, self.change, self.say = feed.pictures, feed.change, say
        self.workers = self._affordable(resources.core_count() if workers < 0 else workers)

    def _affordable(self, workers: int) -> int:
        """No workers where the shared memory that they need is not there (a container's 64 MB, say)."""
        batch = -(-len(self.rows) // self.steps) * int(np.prod(self.pictures.shape[1:]))
        needed = (workers * AHEAD + 1) * batch
        if workers and SHARED.exists() and shutil.disk_usage(SHARED).free < needed:
            free = shutil.disk_usage(SHARED).free
            self.say(f"{SHARED} has {free >> 20} MB, {workers} workers need {needed >> 20}: goes on with 0 workers")
            return 0
        return workers

    def __iter__(self) -> Iterator[Batch]:
        epoch, deaths = self.epoch, 0
        order = self.order(epoch)
        while self.epoch == epoch:
            steps = range(self.start + self.rank, self.steps, self.ranks)
            loader = self._started([order[step] for step in steps])
            try:
                for step, images in zip(steps, loader, strict=True):
                    if isinstance(images, str):
                        raise BadData(images)
                    batch = self.collate(order[step], epoch, step, images)
                    self.move_on(step)
                    yield batch
                if self.start == self.steps:  # nothing was left of this epoch
                    self.move_on(self.start - self.ranks + self.rank)
            except RuntimeError as fault:
                if not str(fault).startswith(DEATHS):
                    raise
                for worker in getattr(loader, "_workers", []):
                    worker.kill()  # one that was stopped would not heed a request to end
                deaths += 1
                cause = str(fault).splitlines()[0]
                if deaths > 1:
                    raise KitError(f"a data worker died again ({cause}). Out of memory? Try --workers 0.") from fault
                self.say(f"a data worker died ({cause}); trying once more from step {self.start + 1}")

    def _started(self, order: list[np.ndarray]) -> Any:
        """An iterator of batches of the rows of these keys.

        torch's handler would raise a worker's death in the middle of whatever runs then, a training step, say.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This DataLoader will create")  # more workers than cores: asked for
            started = iter(self._loader(order))
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # noticed when its batch is waited for: TIMEOUT
        return started

    def _loader(self, order: list[np.ndarray]) -> Any:
        return torch.utils.data.DataLoader(
            _Pictures(self.pictures, self.change, self.seed, self.epoch, len(self.y)),
            batch_sampler=[keys.tolist() for keys in order],
            num_workers=self.workers,
            collate_fn=_stack,
            multiprocessing_context="fork" if self.workers else None,
            timeout=TIMEOUT if self.workers else 0,
            prefetch_factor=AHEAD if self.workers else None,
            worker_init_fn=_one_thread,
            generator=torch.Generator(),  # its own: a draw from the global one would shift dropout in a resumed epoch
        )


class _Pictures(torch.utils.data.Dataset):
    """One picture a key (see `Batches.order`), of `count` rows, augmented.

    Reseeded for each, as albumentations 2.0.8 repeats itself in fresh workers.
    """

    def __init__(self, pictures: Any, change: Any, seed: int, epoch: int, count: int):
        self.pictures, self.change, self.seed, self.epoch, self.count = pictures, change, seed, epoch, count

    def __getitem__(self, key: int) -> torch.Tensor | str:
        try:
            image = self.pictures[key % self.count]
            if self.change is not None:
                draw = augmentation.draws(self.seed, self.epoch, np.array([key]), 1)[0, 0]
                self.change.set_random_seed(int(draw * (1 << 24)))
                image = self.change(image=np.ascontiguousarray(image))["image"].reshape(image.shape)
        except BadData as fault:  # as text: an exception that crosses processes loses its words
            return str(fault)
        image = np.require(image, requirements=["C", "W"])  # a decoded picture may not be written to; torch warns of that
        return torch.from_numpy(image).permute(2, 0, 1)


def _stack(pictures: list[torch.Tensor | str]) -> torch.Tensor | str:
    faults = [one for one in pictures if isinstance(one, str)]
    return faults[0] if faults else torch.stack([one for one in pictures if not isinstance(one, str)])


def _one_thread(worker: int) -> None:
    """Each worker is one process: OpenCV's own threads would fight over the cores."""
    import cv2

    cv2.setNumThreads(0)
