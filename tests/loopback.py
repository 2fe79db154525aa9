"""Loopback: a server that speaks Kaggle's protocol, for the real client to be driven against."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

PAGE = 20
TOKEN = "KGAT_planted0secret0token"
KEY = "planted0secret0key"


@dataclass
class Answer:
    """What to answer word by word."""

    body: bytes
    kind: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Loopback:
    """What Kaggle holds, what it is told to do wrong, and what it was asked.

    `faults`: for a method (or "GET", "PUT") what to answer instead, in turn: a status, (status, message), "hang", "cut", or an
    Answer word by word.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.slug = "digit-recognizer"
        self.faults: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.strangers: list[str] = []
        self.submissions: list[dict[str, Any]] = []
        self.uploads: dict[str, bytes] = {}
        self.pending = 1  # how often a submission is seen as PENDING
        self.verdict: dict[str, Any] = {"status": "COMPLETE", "publicScore": "0.99", "privateScore": ""}
        self.left: int | None = 4
        self.kernel: dict[str, Any] = {}
        self.kernel_states = ["QUEUED", "RUNNING", "COMPLETE"]
        self.kernel_answer: dict[str, Any] = {}
        self.output: dict[str, bytes] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        self.dataset_states = ["BLOBS_RECEIVED", "READY"]  # of a new version, look by look
        self.dataset_answer: dict[str, Any] = {}
        self.version = '"v1"'
        self.ranges: list[str] = []
        self.accepts = {f"Bearer {TOKEN}", "Basic"}
        self.release = threading.Event()
        self.name = secrets.token_hex(8)
        handler = type("Handler", (Handler,), {"kaggle": self})
        self.server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def environment(self) -> dict[str, str]:
        """What points the unmodified client here: its own switch, and a proxy."""
        proxy = f"http://{self.name}:x@127.0.0.1:{self.server.server_port}"
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": proxy,
            "https_proxy": proxy,
            "no_proxy": "",
            "NO_PROXY": "",
        }

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.asked)

    def ListDataFiles(self, ask: dict[str, Any]) -> dict[str, Any]:
        start = int(ask.get("pageToken") or 0)
        shown = list(self.files.items())[start : start + PAGE]
        following = start + PAGE
        return {
            "files": [{"name": name, "totalBytes": len(data)} for name, data in shown],
            **({"nextPageToken": str(following)} if following < len(self.files) else {}),
        }

    def ListCompetitions(self, ask: dict[str, Any]) -> dict[str, Any]:
        return {"competitions": [{"ref": f"https://www.kaggle.com/competitions/{self.slug}"}]}

    def GetSubmissionLimits(self, ask: dict[str, Any]) -> dict[str, Any]:
        return {"numToday": 1, "numTotal": 7, "numAllowedNow": self.left or 0}

    def StartSubmissionUpload(self, ask: dict[str, Any]) -> dict[str, Any]:
        return {"token": ask["fileName"], "createUrl": f"http://storage.localhost/upload/{ask['fileName']}?X-Signature=secret"}

    def CreateSubmission(self, ask: dict[str, Any]) -> dict[str, Any]:
        return self.submitted(ask.get("submissionDescription", ""), ask["blobFileTokens"])

    def CreateCodeSubmission(self, ask: dict[str, Any]) -> dict[str, Any]:
        return self.submitted(ask.get("submissionDescription", ""), ask["fileName"])

    def submitted(self, message: str, name: str) -> dict[str, Any]:
        one = {"ref": 100 + len(self.submissions), "description": message, "fileName": name, "seen": 0}
        self.submissions.insert(0, one)
        return {"message": "Successfully submitted", "ref": one["ref"]}

    def ListSubmissions(self, ask: dict[str, Any]) -> dict[str, Any]:
        shown = []
        for one in self.submissions:
            one["seen"] += 1
            facts = {key: value for key, value in one.items() if key != "seen"}
            verdict = self.verdict if one["seen"] > self.pending else {}
            shown.append({"date": "2026-11-21T10:00:00Z", **verdict, **facts})
        return {"submissions": shown}

    def SaveKernel(self, ask: dict[str, Any]) -> dict[str, Any]:
        self.kernel = ask
        return {"url": f"http://localhost/code/{ask['slug']}", "versionNumber": 3, **self.kernel_answer}

    def GetKernelSessionStatus(self, ask: dict[str, Any]) -> dict[str, Any]:
        state = self.kernel_states.pop(0) if len(self.kernel_states) > 1 else self.kernel_states[0]
        return {
            "status": state,
            **({"failureMessage": "Your notebook tried to use too much memory"} if state == "ERROR" else {}),
        }

    def ListKernelSessionOutput(self, ask: dict[str, Any]) -> dict[str, Any]:
        named = [
            {"fileName": name, "url": f"http://storage.localhost/output/{name}?X-Signature=secret"} for name in self.output
        ]
        return {"files": named, "log": "the kernel's log\n"}

    def StartBlobUpload(self, ask: dict[str, Any]) -> dict[str, Any]:
        return {"token": ask["name"], "createUrl": f"http://storage.localhost/upload/{ask['name']}?X-Signature=secret"}

    def CreateDataset(self, ask: dict[str, Any]) -> dict[str, Any]:
        return self.version_made(f"{ask['ownerSlug']}/{ask['slug']}", ask["files"], ask.get("isPrivate", False))

    def CreateDatasetVersion(self, ask: dict[str, Any]) -> dict[str, Any]:
        name = f"{ask['ownerSlug']}/{ask['datasetSlug']}"
        return self.version_made(name, ask["body"]["files"], self.datasets[name]["private"])

    def version_made(self, name: str, files: list[dict[str, Any]], private: bool) -> dict[str, Any]:
        """The uploaded files become the newest version, seen once its states have gone by."""
        if self.dataset_answer:
            return {"status": "error", **self.dataset_answer}
        before = self.datasets.get(name, {"files": {}})["files"]
        new = {one["token"]: self.uploads[one["token"]] for one in files}
        self.datasets[name] = {"files": before, "next": new, "states": list(self.dataset_states), "private": private}
        return {"ref": name, "url": f"http://localhost/datasets/{name}", "status": "ok"}

    def one_dataset(self, ask: dict[str, Any]) -> dict[str, Any]:
        return self.datasets[f"{ask['ownerSlug']}/{ask['datasetSlug']}"]

    def GetDataset(self, ask: dict[str, Any]) -> dict[str, Any]:
        return {"ref": f"{ask['ownerSlug']}/{ask['datasetSlug']}", "isPrivate": self.one_dataset(ask)["private"]}

    def GetDatasetStatus(self, ask: dict[str, Any]) -> dict[str, Any]:
        one = self.one_dataset(ask)
        state = one["states"].pop(0) if len(one["states"]) > 1 else one["states"][0]
        if len(one["states"]) == 1 and state == "READY":
            one["files"] = one["next"]
        return {"status": state}

    def ListDatasetFiles(self, ask: dict[str, Any]) -> dict[str, Any]:
        names = sorted(self.one_dataset(ask)["files"])
        start = int(ask.get("pageToken") or 0)
        following = start + PAGE // 4
        return {
            "datasetFiles": [{"name": name} for name in names[start:following]],
            **({"nextPageToken": str(following)} if following < len(names) else {}),
        }

    def IntrospectToken(self, ask: dict[str, Any]) -> dict[str, Any]:
        return {"active": ask.get("token") == TOKEN, "username": "ada"} if ask.get("token") == TOKEN else {"active": False}


class Server(ThreadingHTTPServer):
    """Many at once; a client that hangs up is no error."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """The tests look at what the client says."""


class Handler(BaseHTTPRequestHandler):
    """One request, be it to the API or to where files are stored."""

    kaggle: Loopback
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silent."""

    def parse_request(self) -> bool:
        """Only who was sent here is answered: the port may have been another server's a moment ago, or be tried by anyone."""
        if not super().parse_request():
            return False
        if self.headers.get("Proxy-Authorization") == f"Basic {base64.b64encode(f'{self.kaggle.name}:x'.encode()).decode()}":
            return True
        self.close_connection = True
        self.send_error(407)
        return False

    def answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stranger(self) -> None:
        self.kaggle.strangers.append(f"{self.requestline} by {self.headers.get('User-Agent')}")

    def told(self, name: str) -> Any:
        turns = self.kaggle.faults.get(name)
        return turns.pop(0) if turns else None

    def wrong(self, fault: Any) -> bool:
        """Do as told instead of answering."""
        if fault is None:
            return False
        if fault == "hang":
            self.kaggle.release.wait(30)
            self.close_connection = True
            return True
        if isinstance(fault, Answer):
            self.answer(fault.status, fault.body, {"Content-Type": fault.kind, **fault.headers})
            return True
        status, message = fault if isinstance(fault, tuple) else (fault, f"told to say {fault}")
        body = json.dumps({"code": status, "message": message}).encode()
        self.answer(status, body, {"Content-Type": "application/json", **({"Retry-After": "0.1"} if status == 429 else {})})
        return True

    def do_CONNECT(self) -> None:
        self.stranger()
        self.answer(405)

    def do_POST(self) -> None:
        ask = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        target = urlsplit(self.path)
        if (target.hostname or "localhost") != "localhost":
            self.stranger()
            self.answer(502)
            return
        name = target.path.rsplit("/", 1)[-1]
        self.kaggle.asked.append((name, ask))
        if self.wrong(self.told(name)):
            return
        who = self.headers.get("Authorization", "")
        known = who in self.kaggle.accepts or who.split(" ")[0] in self.kaggle.accepts
        if name != "IntrospectToken" and not known:
            self.wrong((401, "Unauthenticated"))
        elif name in ("DownloadDataFile", "DownloadDataFiles"):
            wanted = ask.get("fileName", f"{self.kaggle.slug}.zip")
            stored = wanted if wanted in self.kaggle.output or wanted in self.kaggle.files else f"{wanted}.zip"
            self.answer(302, b"", {"Location": f"http://storage.localhost/data/{stored}?X-Signature=secret"})
        elif "datasetSlug" in ask and f"{ask['ownerSlug']}/{ask['datasetSlug']}" not in self.kaggle.datasets:
            self.wrong((403, "Permission 'datasets.get' was denied"))  # as Kaggle says of what is not there
        elif name == "DownloadDataset":
            place = f"{ask['ownerSlug']}/{ask['datasetSlug']}/{ask['fileName']}"
            self.answer(302, b"", {"Location": f"http://storage.localhost/dataset/{place}?X-Signature=secret"})
        elif ask.get("competitionName", self.kaggle.slug) != self.kaggle.slug:
            self.wrong((404, "Not found"))
        else:
            body = json.dumps(getattr(self.kaggle, name)(ask)).encode()
            self.answer(200, body, {"Content-Type": "application/json"})

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = urlsplit(self.path).path.rsplit("/", 1)[-1]
        if self.wrong(self.told("PUT")) or self.wrong(self.told(f"PUT {name}")):
            return
        self.kaggle.uploads[name] = body
        self.answer(200)

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        if target.hostname != "storage.localhost" or not parse_qs(target.query).get("X-Signature"):
            self.stranger()
            self.answer(502)
            return
        name = target.path.split("/", 2)[-1]
        data = self.kaggle.files.get(name, self.kaggle.output.get(name, b""))
        if target.path.startswith("/dataset/"):
            owner, slug, file = name.split("/")
            data = self.kaggle.datasets[f"{owner}/{slug}"]["files"][file]
        start = 0
        asked = self.headers.get("Range")
        if asked:
            self.kaggle.ranges.append(asked)
            same = self.headers.get("If-Range") == self.kaggle.version
            start = int(asked.removeprefix("bytes=").rstrip("-")) if same else 0
        fault = self.told("GET") if self.headers.get("Accept-Encoding") == "identity" else None  # not the client's own look
        if fault not in (None, "cut") and self.wrong(fault):
            return
        part = data[start:]
        self.send_response(206 if start else 200)
        for key, value in (("Content-Length", len(part)), ("ETag", self.kaggle.version), ("Accept-Ranges", "bytes")):
            self.send_header(key, str(value))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client only wanted the link
            self.wfile.write(part[: len(part) // 2] if fault == "cut" else part)
        if fault == "cut":
            self.close_connection = True


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """A server on loopback, the environment that leads the client to it, and a key that it takes."""
    server = Loopback()
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    (home / ".kaggle").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.close()
    assert not server.strangers, f"asked for besides: {server.strangers}"
