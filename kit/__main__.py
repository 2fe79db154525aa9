"""The command `kit`, and `python -m kit`."""

import atexit
import os
import sys
from typing import NoReturn


def enter() -> NoReturn:
    """Run the command that was typed, and end the process with its exit code."""
    done: list[int] = []
    atexit.register(_leave, done)  # the first to be registered is the last to be called: everybody else has cleaned up
    from kit.cli.app import main

    done.append(main())
    sys.exit(done[0])


def _leave(done: list[int]) -> None:
    """End now. To take torch's and Lightning's modules apart took a sixth of the time that importing them did."""
    if done:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(done[0])


if __name__ == "__main__":
    enter()
