"""Feeder: the files of a store handed to threads in chunks, so that reading and decoding go on at once."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from kit import resources

CHUNK = 256  # files, or ...
CHUNK_BYTES = 4 << 20  # ... this much that a thread decodes at a time: less is all overhead
WAITING = 4  # chunks per thread that may wait in memory


class Feeder:
    """Hands files to threads in chunks, and holds back whoever reads faster than they are decoded."""

    def __init__(self, work: Any):
        self.work = work
        self.threads = resources.core_count()
        self.pool = ThreadPoolExecutor(self.threads)
        self.waiting = threading.BoundedSemaphore(self.threads * WAITING)
        self.chunk: list[tuple[str, bytes]] = []
        self.size = 0
        self.tasks: list[Future[None]] = []

    def __call__(self, name: str, data: bytes) -> None:
        self.chunk.append((name, data))
        self.size += len(data)
        if len(self.chunk) >= CHUNK or self.size >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand on what was gathered."""
        self.waiting.acquire()
        for done in self.tasks[-self.threads * WAITING :]:
            if done.done():
                done.result()  # there is no use in going on where one has failed
        task = self.pool.submit(self.work, self.chunk)
        task.add_done_callback(lambda _: self.waiting.release())
        self.tasks.append(task)
        self.chunk, self.size = [], 0

    def __enter__(self) -> Feeder:
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.flush()
        self.pool.shutdown()
        if kind is None:
            for task in self.tasks:
                task.result()
