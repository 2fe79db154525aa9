"""Calls: what Kaggle's own package is asked for. The only module that imports it; it may print, and exit when it is imported.

Written against what its versions 2.0.2 and 2.2.4 share.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFileRequest, ApiDownloadDataFilesRequest
from kagglesdk.datasets.types.dataset_api_service import (
    ApiDownloadDatasetRequest,
    ApiGetDatasetRequest,
    ApiGetDatasetStatusRequest,
)
from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelSessionStatusRequest, ApiListKernelSessionOutputRequest

from kit.kaggle.client.answers import Strange

PAGE = 200  # files a page; Kaggle gives fewer where it likes
SUBMISSIONS = 100  # the newest ones
CALLS: dict[str, Callable[..., Any]] = {}  # what `kit.kaggle.api` may ask for


def call(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function be asked for by its name."""
    CALLS[function.__name__] = function
    return function


def api() -> Any:
    """The authenticated client. Raises what it raises: SystemExit without credentials, HTTPError for a bad token."""
    import kaggle  # may exit

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
    request = ApiGetKernelSessionStatusRequest()
    request.user_name, request.kernel_slug = kernel.split("/")
    with api().build_kaggle_client() as kaggle:
        answer = kaggle.kernels.kernels_api_client.get_kernel_session_status(request)
    return {"status": getattr(answer.status, "name", str(answer.status)), "reason": answer.failure_message or ""}


@call
def output(kernel: str, page: str = "") -> dict[str, Any]:
    """The files that a kernel wrote, as links, its log, and the token of the next page."""
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
