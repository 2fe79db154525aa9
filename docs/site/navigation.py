"""Navigation: the sections of docs/index.md and the pages that they link, in their order."""

import re

SECTION = re.compile(r"^## (.+)$")
ENTRY = re.compile(r"^\| \[([^\]]+)\]\(([^)#]+\.md)\)")


def toctrees(index: str) -> str:
    """A hidden table of contents for each section of the index: its heading, then the pages that its rows begin with."""
    sections: dict[str, list[str]] = {}
    title = ""
    for line in index.splitlines():
        if found := SECTION.match(line):
            title = found[1]
        elif found := ENTRY.match(line):
            sections.setdefault(title, []).append(f"{found[1]} <{found[2]}>")
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(rows) + "\n```\n" for title, rows in sections.items()
    )
