"""Client: Kaggle's own package, in a child process. It has no timeouts, prints, and may exit when it is imported.

`kit.kaggle.api` starts it, sends a request as a line of JSON, waits as long as it likes, and gets an answer as a line. The only
module that imports the package; written against what its versions 2.0.2 and 2.2.4 share.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = 200  # files a page; Kaggle gives fewer where it likes
SUBMISSIONS = 100  # the newest ones
CALLS: dict[str, Callable[..., Any]] = {}  # what `kit.kaggle.api` may ask for


# What Kaggle's answers hold, by name. The package takes whatever comes, and gives what is of another type as nothing.
LISTS = {  # of objects with one of these fields
    "files": ("name", "fileName"),
    "submissions": ("ref",),
    "competitions": ("ref",),
    "datasetFiles": ("name",),
}
NUMBERS, TEXTS = ("totalBytes", "versionNumber", "numAllowedNow"), ("name", "fileName", "url", "token", "createUrl", "status")


class Strange(Exception):
    """An answer that is none of Kaggle's: a login page, a proxy's words, half of one."""


def call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function be asked for by its name."""
    CALLS[function.__name__] = function
    return function


def api() -> Any:
    """The authenticated client. Raises what it raises: SystemExit without credentials, HTTPError for a bad token."""
    import kaggle

    client = kaggle.api
    if not client.config_values.get(client.CONFIG_NAME_AUTH_METHOD):  # 2.2 swallows why it is not
        client.authenticate()
    return client


@call
def files(slug: str, page: str = "") -> dict[str, Any]:
    """A page of a competition's files, and the token of the next."""
    answer = api().competition_list_files(slug, page_token=page, page_size=PAGE)
    named = [{"name": file.name, "size": file.total_bytes} for file in answer.files or []]
    return {"files": named, "next": answer.next_page_token}


@call
def link(slug: str, name: str | None) -> dict[str, Any]:
    """Where a file (None: all in one archive) is stored; the link is good for some minutes. Nothing of it is read."""
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFileRequest, ApiDownloadDataFilesRequest

    with api().build_kaggle_client() as kaggle:
        service = kaggle.competitions.competition_api_client
        if name is None:
            request = ApiDownloadDataFilesRequest()
            request.competition_name = slug
            response = service.download_data_files(request)
        else:
            request = ApiDownloadDataFileRequest()
            request.competition_name, request.file_name = slug, name
            response = service.download_data_file(request)
        with response:
            if "text/html" in response.headers.get("Content-Type", "") and not str(name).endswith((".html", ".htm")):
                raise Strange("an HTML page in the place of a file")
            length = response.headers.get("Content-Length")
            version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            return {"url": response.url, "size": int(length) if length else None, "version": version}


@call
def search(words: str) -> list[str]:
    """The slugs of competitions that Kaggle finds by these words."""
    answer = api().competitions_list(search=words)
    return [str(entry.ref).rstrip("/").rsplit("/", 1)[-1] for entry in getattr(answer, "competitions", answer) or []]


@call
def limits(slug: str) -> int | None:
    """Submissions left today; None where this version of the client does not know, or there is no team yet."""
    asked = getattr(api(), "competition_get_submission_limits", None)
    answer = asked(slug) if asked else None
    return answer.num_allowed_now if answer and (answer.num_total or answer.num_allowed_now) else None


@call
def submit(slug: str, file: str, message: str) -> dict[str, Any]:
    """Upload and submit a file. A failed upload is no exception: its `ref` is 0."""
    answer = api().competition_submit(file, message, slug, quiet=True)
    return {"ref": answer.ref or 0, "message": answer.message}


@call
def submit_code(slug: str, kernel: str, version: int, file: str, message: str) -> dict[str, Any]:
    """Submit a version of a kernel to a code competition."""
    answer = api().competition_submit_code(file, message, slug, kernel, version, quiet=True)
    return {"ref": answer.ref or 0, "message": answer.message}


@call
def submissions(slug: str) -> list[dict[str, Any]]:
    """The newest submissions: ref, description, file, status, scores, the reason of an error."""
    answer = api().competition_submissions(slug, page_size=SUBMISSIONS)
    return [
        {
            "ref": entry.ref,
            "date": entry.date.isoformat() if entry.date else None,
            "message": entry.description or "",
            "file": entry.file_name or "",
            "status": getattr(entry.status, "name", str(entry.status)),
            "public": entry.public_score or None,
            "private": entry.private_score or None,
            "reason": entry.error_description or "",
        }
        for entry in answer or []
    ]


@call
def owner() -> str | None:
    """The name of the user that the credentials belong to."""
    client = api()
    return client.config_values.get(client.CONFIG_NAME_USER)


@call
def push(folder: str) -> dict[str, Any]:
    """Push the kernel in a folder. What Kaggle finds wrong is no exception: it is in `error` and `invalid`."""
    answer = api().kernels_push(folder)
    kinds = ("dataset", "competition", "kernel", "model")
    invalid = {kind: list(getattr(answer, f"invalid_{kind}_sources", None) or []) for kind in kinds}
    return {
        "url": answer.url,
        "version": answer.version_number,
        "error": answer.error or "",
        "invalid": {kind: names for kind, names in invalid.items() if names},
    }


@call
def status(kernel: str) -> dict[str, str]:
    """Where the newest version of a kernel is: QUEUED, RUNNING, COMPLETE or ERROR, and why."""
    from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest

    request = ApiGetKernelSessionStatusRequest()
    request.user_name, request.kernel_slug = kernel.split("/")
    with api().build_kaggle_client() as kaggle:
        answer = kaggle.kernels.kernels_api_client.get_kernel_session_status(request)
    return {"status": getattr(answer.status, "name", str(answer.status)), "reason": answer.failure_message or ""}


@call
def output(kernel: str, page: str = "") -> dict[str, Any]:
    """The files that a kernel wrote, as links, its log, and the token of the next page."""
    from kagglesdk.kernels.types.kernels_api_service import ApiListKernelSessionOutputRequest

    request = ApiListKernelSessionOutputRequest()
    request.user_name, request.kernel_slug = kernel.split("/")
    request.page_token = page
    with api().build_kaggle_client() as kaggle:
        answer = kaggle.kernels.kernels_api_client.list_kernel_session_output(request)
    named = [{"name": file.file_name, "url": file.url} for file in answer.files or []]
    return {"files": named, "log": answer.log or "", "next": answer.next_page_token}


@call
def dataset(name: str) -> dict[str, Any]:
    """Whether a dataset is private, and where its newest version is: BLOBS_RECEIVED, …, READY, FAILED or DELETED."""
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest, ApiGetDatasetStatusRequest

    answers = []
    with api().build_kaggle_client() as kaggle:
        service = kaggle.datasets.dataset_api_client
        for request, ask in (
            (ApiGetDatasetRequest(), service.get_dataset),
            (ApiGetDatasetStatusRequest(), service.get_dataset_status),
        ):
            request.owner_slug, request.dataset_slug = name.split("/")
            answers.append(ask(request))
    state = answers[1].status
    return {"private": bool(answers[0].is_private), "status": getattr(state, "name", str(state))}


@call
def dataset_files(name: str, page: str = "") -> dict[str, Any]:
    """A page of the names of a dataset's files, and the token of the next."""
    answer = api().dataset_list_files(name, page_token=page or None, page_size=PAGE)
    return {"files": [file.name for file in answer.dataset_files or []], "next": answer.next_page_token or ""}


@call
def dataset_text(name: str, file: str) -> str:
    """A small file of a dataset, which Kaggle may have packed."""
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = name.split("/")
    request.file_name = file
    with api().build_kaggle_client() as kaggle, kaggle.datasets.dataset_api_client.download_dataset(request) as response:
        data = response.content
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    return data.decode()


@call
def upload(folder: str, new: bool, notes: str) -> str:
    """Upload a folder as a private dataset, or as a new version of one; returns what Kaggle finds wrong, or nothing.

    A file that could not be uploaded is no exception: the client leaves it out.
    """
    answer = (
        api().dataset_create_new(folder, public=False, quiet=True)
        if new
        else api().dataset_create_version(folder, notes, quiet=True)
    )
    return answer.error or ("" if (answer.status or "ok").lower() == "ok" else answer.status)


def look(response: Any) -> None:
    """Raise Strange for an answer of the API that has not the form of Kaggle's, HTTPError for an error without its form."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        response.raise_for_status()
        text = response.content[:1000].decode("utf-8", "replace").lstrip().lower()
        raise Strange("an HTML page" if text.startswith("<") else "nothing" if not text else "no JSON object")
    for name, needed in LISTS.items():
        entries = body.get(name) or []
        if not isinstance(entries, list) or not all(isinstance(one, dict) and {*needed} & {*one} for one in entries):
            raise Strange(f"{name!r} is no list with {' or '.join(needed)} in each entry")
    for one in [body, *(entry for name in LISTS for entry in body.get(name) or [])]:
        for names, kind in ((NUMBERS, int), (TEXTS, str)):
            wrong = [name for name in names if one.get(name) is not None and type(one[name]) is not kind]
            if wrong:
                raise Strange(f"{wrong[0]!r} is {str(one[wrong[0]])[:60]!r}")


def watch() -> None:
    """Look at each answer of the API before the package does. Downloads are left to whoever follows the link."""
    import requests

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
    from requests import exceptions

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
            answer = {"result": CALLS[request["call"]](**request["arguments"])}
        except BaseException as error:
            answer = {"fault": fault(error)}
        print(json.dumps(answer), file=answers, flush=True)


def command() -> tuple[list[str], dict[str, str]]:
    """How to start this module: the words, and what the environment needs besides."""
    above = str(Path(__file__).resolve().parents[2])
    before = os.environ.get("PYTHONPATH")
    return [sys.executable, "-P", "-m", "kit.kaggle.client_process"], {
        "PYTHONPATH": f"{above}{os.pathsep}{before}" if before else above
    }


if __name__ == "__main__":
    serve()
