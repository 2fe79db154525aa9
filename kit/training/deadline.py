"""Budget: the time of a run, shared fairly by the fits that are left."""

from __future__ import annotations

import math
import time


class Budget:
    """`seconds` from when it `began` (`time.monotonic()`); 0: as long as it takes. Measured by a clock that nobody sets."""

    def __init__(self, seconds: float, began: float):
        self.end = began + seconds if seconds else math.inf

    @property
    def left(self) -> float:
        """Seconds."""
        return self.end - time.monotonic()

    def until(self, fits: int, besides: float) -> float:
        """When the next of so many fits must be over (`time.monotonic()`).

        All of them together, and the end of the run, need `besides` seconds for something else.
        """
        now = time.monotonic()
        return now + max(0.0, self.end - besides - now) / max(fits, 1)
