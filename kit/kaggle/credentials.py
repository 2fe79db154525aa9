"""Credentials: where Kaggle's client looks for them, and messages that never show them."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path

SITE = "https://www.kaggle.com"
HOW = (
    f"Make one at {SITE}/settings (Create New Token) and put it at ~/.kaggle/access_token,"
    " or an API key at ~/.kaggle/kaggle.json, readable by you only."
)


def sources() -> dict[str, str]:
    """Where credentials are: `token`s first, as the client prefers them, then `key`s and `oauth`. Their values are not read."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 (Path.home raises where there is none)
    chosen = os.environ.get("KAGGLE_CONFIG_DIR")
    elsewhere = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"
    folder = Path(chosen) if chosen else home / ".kaggle" if (home / ".kaggle").exists() else elsewhere
    places = {"$KAGGLE_API_TOKEN": "token"} if os.environ.get("KAGGLE_API_TOKEN") else {}
    for name in ("access_token", "access_token.txt"):
        places |= {f"~/.kaggle/{name}": "token"} if (home / ".kaggle" / name).is_file() else {}
    if os.environ.get("KAGGLE_USERNAME") and os.environ.get("KAGGLE_KEY"):
        places["$KAGGLE_USERNAME and $KAGGLE_KEY"] = "key"
    for path in {folder / "kaggle.json", home / ".kaggle" / "kaggle.json"}:
        places |= {str(path): "key"} if path.is_file() else {}
    return places | ({"~/.kaggle/credentials.json": "oauth"} if (home / ".kaggle" / "credentials.json").is_file() else {})


def username() -> str | None:
    """The user's name where it stands beside a key; a token does not tell it."""
    if os.environ.get("KAGGLE_USERNAME"):
        return os.environ["KAGGLE_USERNAME"]
    for where in sources():
        if where.endswith("kaggle.json"):
            with suppress(OSError, ValueError, AttributeError):
                return json.loads(Path(where).read_text(encoding="utf-8")).get("username")
    return None


def refused() -> str:
    """The message where Kaggle refuses the credentials (401)."""
    places = sources()
    tokens = [where for where, kind in places.items() if kind == "token"]
    others = [where for where, kind in places.items() if kind != "token"]
    if tokens and others:
        return (
            f"Kaggle refuses the token in {tokens[0]} (401), and the client prefers it to {others[0]}.\n"
            f"Delete the token or make a new one at {SITE}/settings."
        )
    return f"Kaggle refuses the credentials in {', '.join(places) or 'this place'} (401): they are wrong or expired.\n{HOW}"


def scrub(text: str) -> str:
    """A message without secrets: known tokens and keys, authorisation headers, signatures in links."""
    for secret in _secrets():
        text = text.replace(secret, "…")
    text = re.sub(r"(?i)\b(bearer|basic)\s+[^\s'\"]+", r"\1 …", text)
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", r"\1?…", text)


def _secrets() -> set[str]:
    """Tokens, keys and passwords of this machine that are longer than three letters."""
    secrets = {os.environ.get(name, "") for name in ("KAGGLE_API_TOKEN", "KAGGLE_KEY")}
    for where in sources():
        path = Path(os.path.expanduser(where))  # noqa: PTH111
        try:
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
        except (OSError, ValueError):
            continue
        secrets |= (
            set(re.findall(r'"(?:key|refresh_token|access_token)"\s*:\s*"([^"]+)"', text)) if "{" in text else {text.strip()}
        )
    return {secret for secret in secrets if len(secret) > 3}
