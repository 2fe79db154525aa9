"""Client: a child process with Kaggle's own package. That has no timeouts, prints, and may exit when it is imported.

`kit.kaggle.api` starts it, sends a request as a line of JSON, waits as long as it likes, and gets an answer as a line.
"""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any

import requests
from requests import exceptions

from kit.kaggle.client.answers import Strange, look


def watch() -> None:
    """Look at each answer of the API before the package does. Downloads are left to whoever follows the link."""
    send = requests.Session.send

    def sent(self: Any, request: Any, **settings: Any) -> Any:
        response = send(self, request, **settings)
        if "/v1/" in request.url and request.method == "POST" and not settings.get("stream"):
            look(response)
        return response

    requests.Session.send = sent  # type: ignore[method-assign]


def fault(error: BaseException) -> dict[str, Any]:
    """An exception in plain values: Kaggle's status and reason where it answered, else the kind of failure."""
    if isinstance(error, SystemExit):
        return {"kind": "credentials", "reason": "no credentials"}
    if isinstance(error, Strange):
        return {"kind": "strange", "reason": str(error)}
    response = getattr(error, "response", None)
    if response is not None:
        return {"kind": "answer", "status": response.status_code, "reason": _reason(response), "wait": _wait(response)}
    if isinstance(error, exceptions.RequestException) and not isinstance(error, exceptions.JSONDecodeError):
        kinds = {
            exceptions.ProxyError: "the proxy did not let it through",
            exceptions.SSLError: "the certificate is not trusted",
            exceptions.Timeout: "no answer in time",
            exceptions.ConnectionError: "no connection",
        }
        words = (said for kind, said in kinds.items() if isinstance(error, kind))
        return {"kind": "network", "reason": next(words, type(error).__name__)}
    return {"kind": "other", "reason": f"{type(error).__name__}: {error}"}


def _reason(response: Any) -> str:
    try:
        message = response.json().get("message")
    except (ValueError, AttributeError, RuntimeError):  # no JSON; a body that was not kept
        message = None
    return str(message or response.reason or "")


def _wait(response: Any) -> float | None:
    """Seconds that Kaggle asks to wait; None where it does not say so in seconds."""
    try:
        seconds = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def serve() -> None:
    """Answer requests from stdin until it closes. Nothing else that anyone prints here goes anywhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    for name in ("VERBOSE", "VERBOSE_OUTPUT"):  # they make the client show its requests, headers and all
        os.environ.pop(name, None)
    watch()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            from kit.kaggle.client import calls  # prints and exits only now that both are looked after

            answer = {"result": calls.CALLS[request["call"]](**request["arguments"])}
        except BaseException as error:
            answer = {"fault": fault(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve()
