"""Kaggle: its client in a child process, with a deadline for every call and every refusal put in words."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kit import competition as competitions
from kit.console import say
from kit.errors import Unreachable, Usage, did_you_mean
from kit.kaggle import client_process

SECONDS = 60.0  # to wait for an answer
TRIES = 5  # of a call that Kaggle asks to repeat later
PAUSE = 0.5  # seconds after a failure, doubled at every one in a row
PATIENCE = 120.0  # seconds between two tries at most
SITE = "https://www.kaggle.com"
HOW = (
    f"Make one at {SITE}/settings (Create New Token) and put it at ~/.kaggle/access_token,"
    " or an API key at ~/.kaggle/kaggle.json, readable by you only."
)


class Refused(Unreachable):
    """Kaggle understood and said no (4xx): nothing was changed."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Kaggle:
    """The client for one competition (or one kernel), as a context. Raises Unreachable, with Kaggle's reason, from any call."""

    def __init__(self, slug: str, seconds: float = SECONDS, quiet: bool = False):
        self.slug, self.seconds = slug, seconds
        self.tell: Callable[[str], None] = (lambda text: None) if quiet else say
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

    def call(self, name: str, /, seconds: float = 0, again: bool = True, **arguments: Any) -> Any:
        """What `kit.kaggle.client_process` answers; `seconds` more than usual may pass.

        Waits and asks again where Kaggle is busy (429) and, if it does no harm to ask twice (`again`), where it failed
        (5xx) or could not be reached. Raises Refused for any other 4xx, else Unreachable.
        """
        for attempt in range(TRIES):
            answer = self._ask({"call": name, "arguments": arguments}, self.seconds + seconds)
            if "result" in answer:
                return answer["result"]
            fault = answer["fault"]
            wait = _wait(fault, attempt, again)
            if wait is None or attempt + 1 == TRIES:
                break
            if fault.get("status") == 429:
                self.tell(f"Kaggle asks to come back later (429): waiting {wait:.0f} s")
            time.sleep(wait)
        raise self._refusal(fault)

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
            return {"fault": {"kind": "other", "reason": "its client ended without a word"}}

    def _start(self) -> subprocess.Popen[str]:
        words, needed = client_process.command()
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
        """A fault in words: what Kaggle said, and how to mend it."""
        status, reason = fault.get("status"), scrub(fault["reason"])
        if fault["kind"] == "credentials" or status == 401:
            return Refused(_credentials(), 401)
        if fault["kind"] == "network":
            return Unreachable(f"Kaggle cannot be reached ({reason}). Is there a network, and does it let {SITE} through?")
        if status == 403:
            rules = f"\nAccept the rules of the competition at {SITE}/c/{self.slug}/rules and try again."
            return Refused(f"Kaggle says no (403: {reason}).{rules if '/' not in self.slug else ''}", status)
        if status == 404:
            return Refused(f"Kaggle does not know {self.slug!r} (404: {reason}).{self._meant()}", status)
        if status == 429:
            return Refused("Kaggle is asked too often (429) and did not relent. Try again in some minutes.", status)
        if status and status < 500:
            return Refused(f"Kaggle says no ({status}: {reason or 'no reason given'}).", status)
        if status:
            return Unreachable(f"Kaggle failed ({status}: {reason or 'no reason given'}). Try again later.")
        return Unreachable(f"Kaggle's client failed ({reason}).")

    def _meant(self) -> str:
        """` Did you mean …?`, from the kit's adapters and Kaggle's own search."""
        if "/" in self.slug:  # a kernel
            return ""
        known = [competitions.load(name).competition.slug for name in competitions.names()]
        answer = self._ask({"call": "search", "arguments": {"words": self.slug.replace("-", " ")}}, self.seconds)
        return did_you_mean(self.slug, [*known, *answer.get("result", [])])


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


def sources() -> dict[str, str]:
    """Where credentials are: `token`s first, as the client prefers them, then `key`s and `oauth`. Their values are not read."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (Path.home raises where there is none)
    own = os.environ.get("KAGGLE_CONFIG_DIR")
    elsewhere = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"
    folder = Path(own) if own else home / ".kaggle" if (home / ".kaggle").exists() else elsewhere
    found = {"$KAGGLE_API_TOKEN": "token"} if os.environ.get("KAGGLE_API_TOKEN") else {}
    for name in ("access_token", "access_token.txt"):
        found |= {f"~/.kaggle/{name}": "token"} if (home / ".kaggle" / name).is_file() else {}
    if os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"):
        found["$KAGGLE_USERNAME and $KAGGLE_KEY"] = "key"
    for path in {folder / "kaggle.json", home / ".kaggle" / "kaggle.json"}:
        found |= {str(path): "key"} if path.is_file() else {}
    return found | ({"~/.kaggle/credentials.json": "oauth"} if (home / ".kaggle" / "credentials.json").is_file() else {})


def username() -> str | None:
    """The user's name where it stands beside a key; a token does not tell it."""
    if os.environ.get("KAGGLE_USERNAME"):
        return os.environ["KAGGLE_USERNAME"]
    for where in sources():
        if where.endswith("kaggle.json"):
            with suppress(OSError, ValueError, AttributeError):
                return json.loads(Path(where).read_text(encoding="utf-8")).get("username")
    return None


def _credentials() -> str:
    """What to say where the credentials do not do."""
    found = sources()
    tokens = [where for where, kind in found.items() if kind == "token"]
    others = [where for where, kind in found.items() if kind != "token"]
    if tokens and others:
        return (
            f"Kaggle refuses the token in {tokens[0]} (401), and the client prefers it to {others[0]}.\n"
            f"Delete the token or make a new one at {SITE}/settings."
        )
    return f"Kaggle refuses the credentials in {', '.join(found) or 'this place'} (401): they are wrong or expired.\n{HOW}"


def scrub(text: str) -> str:
    """A message without secrets: known tokens and keys, authorisation headers, signatures in links."""
    for secret in _secrets():
        text = text.replace(secret, "…")
    text = re.sub(r"(?i)\b(bearer|basic)\s+[^\s'\"]+", r"\1 …", text)
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", r"\1?…", text)


def _secrets() -> set[str]:
    found = {os.environ.get(name, "") for name in ("KAGGLE_API_TOKEN", "KAGGLE_KEY")}
    for where in sources():
        path = Path(os.path.expanduser(where))  # noqa: PTH111
        try:
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
        except (OSError, ValueError):
            continue
        found |= (
            set(re.findall(r'"(?:key|refresh_token|access_token)"\s*:\s*"([^"]+)"', text)) if "{" in text else {text.strip()}
        )
    return {one for one in found if len(one) > 3}
