"""Kaggle: its client in a child process, with a deadline for every call and a plain sentence for every refusal."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kit import competition as competitions
from kit.console import Waiting, clock, say
from kit.errors import Unreachable, Usage, did_you_mean
from kit.kaggle.credentials import HOW, SITE, refused, scrub, sources

SECONDS = 60.0  # to wait for an answer
TRIES = 5  # of a call that Kaggle asks to repeat later
PAUSE = 0.5  # seconds after a failure, doubled at every one in a row
PATIENCE = 120.0  # seconds between two tries at most
SLOWEST = 50_000  # bytes per second of an upload that is still given a chance


class Refused(Unreachable):
    """Kaggle understood and said no (4xx): nothing was changed."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Pace:
    """How often Kaggle is asked for something that takes its time, in seconds."""

    first: float  # before the second look; half as much again before each further one
    longest: float  # between two looks
    limit: float  # in all


class Kaggle:
    """The client for one competition (or one kernel), as a context. Raises Unreachable, with Kaggle's reason, from any call."""

    def __init__(self, slug: str, seconds: float = SECONDS, quiet: bool = False):
        self.slug, self.seconds, self.quiet = slug, seconds, quiet
        self._answers: queue.Queue[str] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Kaggle:
        if not sources():
            raise Unreachable(f"no Kaggle credentials here.\n{HOW}")
        return self

    def __exit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            with suppress(OSError):  # what was still to be written to a child that is gone
                process.stdin.close()  # type: ignore[union-attr]
            self._listener.join()

    def tell(self, text: str) -> None:
        """A line on stderr, unless it is to be quiet."""
        if not self.quiet:
            say(text)

    def call(self, name: str, /, seconds: float = 0, again: bool = True, **arguments: Any) -> Any:
        """What `kit.kaggle.client` answers; `seconds` more than usual may pass.

        Waits and asks again where Kaggle is busy (429) and, if it does no harm to ask twice (`again`), where it failed
        (5xx) or could not be reached; within the seconds of one answer. Raises Refused for any other 4xx, else Unreachable.
        """
        until = time.monotonic() + self.seconds + seconds
        for attempt in range(TRIES):
            answer = self._ask({"call": name, "arguments": arguments}, self.seconds + seconds)
            if "result" in answer:
                return answer["result"]
            fault = answer["fault"]
            wait = _wait(fault, attempt, again)
            if wait is None or attempt + 1 == TRIES or time.monotonic() + wait > until:
                break
            if fault.get("status") == 429:
                self.tell(f"Kaggle asks to come back later (429): waiting {wait:.0f} s")
            time.sleep(wait)
        raise self._refusal(fault)

    def pages(self, name: str, /, **arguments: Any) -> Iterator[dict[str, Any]]:
        """Each page of a list, as `call` answers it; `next` in it is the token of the following one."""
        page = ""
        while True:
            answer = self.call(name, page=page, **arguments)
            yield answer
            page = answer["next"]
            if not page:
                return

    def poll(self, pace: Pace) -> Iterator[Callable[[str], None]]:
        """Look again and again: `for wait in kaggle.poll(pace):` look, return, or say by `wait(text)` what is waited for.

        Ends when the pace's limit is over.
        """
        waiting, pause, began = Waiting(self.quiet), pace.first, time.monotonic()
        while time.monotonic() - began < pace.limit:
            yield partial(waiting.wait, seconds=pause)
            pause = min(pause * 1.5, pace.longest)

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            return json.loads(self._answers.get(timeout=seconds))
        except queue.Empty:
            self.__exit__()
            raise Unreachable(
                f"Kaggle did not answer within {seconds:.0f} s. Try again, or give it longer (--timeout)."
            ) from None
        except (OSError, ValueError):  # the child died: it was killed, or the client broke it
            self.__exit__()
            return {"fault": {"kind": "other", "reason": "its client ended without an answer"}}

    def _start(self) -> subprocess.Popen[str]:
        words, needed = _command()
        answers = self._answers = queue.Queue()
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
            env={**os.environ, **needed},
        )  # fmt: skip

        def listen() -> None:
            assert process.stdout is not None
            with process.stdout as lines:
                for line in lines:
                    answers.put(line)
            answers.put("")  # the end

        self._listener = threading.Thread(target=listen, daemon=True)
        self._listener.start()
        self._process = process
        return process

    def _refusal(self, fault: dict[str, Any]) -> Unreachable:
        """The error for a fault: Kaggle's reason, and how to mend it."""
        status, reason = fault.get("status"), scrub(fault["reason"])
        if fault["kind"] == "credentials" or status == 401:
            return Refused(refused(), 401)
        if fault["kind"] == "strange":
            return Unreachable(
                f"Kaggle's answer is not what it should be: {reason}."
                "\nDoes a proxy or a login page answer in its place? Try again, or from another network."
            )
        if fault["kind"] == "network":
            return Unreachable(f"Kaggle cannot be reached ({reason}). Is there a network, and does it let {SITE} through?")
        if status == 403:
            rules = f"\nAccept the rules of the competition at {SITE}/c/{self.slug}/rules and try again."
            return Refused(f"Kaggle says no (403: {reason}).{rules if '/' not in self.slug else ''}", status)
        if status == 404:
            return Refused(f"Kaggle does not know {self.slug!r} (404: {reason}).{self._meant()}", status)
        if status == 429:
            later = fault.get("wait")
            when = f"in {clock(later)} (hours:minutes:seconds)" if later and later >= 3600 else "in some minutes"
            return Refused(f"Kaggle is asked too often (429). Try again {when}.", status)
        if status and status < 500:
            return Refused(f"Kaggle says no ({status}: {reason or 'no reason given'}).", status)
        if status:
            return Unreachable(f"Kaggle failed ({status}: {reason or 'no reason given'}). Try again later.")
        return Unreachable(f"Kaggle's client failed ({reason}).")

    def _meant(self) -> str:
        """` Did you mean …?`, from the kit's adapters and Kaggle's own search."""
        if "/" in self.slug:  # a kernel
            return ""
        of_adapters = [competitions.load(name).competition.slug for name in competitions.names()]
        answer = self._ask({"call": "search", "arguments": {"words": self.slug.replace("-", " ")}}, self.seconds)
        return did_you_mean(self.slug, [*of_adapters, *answer.get("result", [])])


def _command() -> tuple[list[str], dict[str, str]]:
    """How to start the client: the words, and what the environment needs besides."""
    above = str(Path(__file__).resolve().parents[2])
    before = os.environ.get("PYTHONPATH")
    return [sys.executable, "-P", "-m", "kit.kaggle.client.process"], {
        "PYTHONPATH": f"{above}{os.pathsep}{before}" if before else above
    }


def _wait(fault: dict[str, Any], attempt: int, again: bool) -> float | None:
    """Seconds until a call is worth repeating; None: it is not."""
    status = fault.get("status")
    if status == 429:
        asked = fault.get("wait")
        return min(PATIENCE, asked if asked is not None else 2.0 ** (attempt + 1))
    if again and (fault["kind"] == "network" or (status or 0) >= 500) and attempt < 3:
        return PAUSE * 2.0**attempt
    return None


def slug_of(name: str) -> str:
    """The slug of an adapter, or `name` itself where it may be a slug that no adapter is written for yet."""
    try:
        return competitions.load(name).competition.slug
    except Usage:
        if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name):
            return name
        raise


def adapter_name(name: str) -> str:
    """What the ledger calls a competition: its adapter's name, or the slug where it has none."""
    try:
        return competitions.load(name).name
    except Usage:
        return name
