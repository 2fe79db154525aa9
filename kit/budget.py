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

    def until(self, fits: int, after: float, last: float) -> float:
        """When the next of so many fits must be over (`time.monotonic()`).

        Each needs `after` seconds besides, for its predictions and files, and the run `last` seconds at its end.
        """
        now = time.monotonic()
        return now + max(0.0, (self.end - last - now) / max(fits, 1) - after)
