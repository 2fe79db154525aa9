"""Check: test an adapter against its own facts, and audit its data."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from kit import competition as competitions
from kit.cli import json_output, knob_flags
from kit.competition import Adapter
from kit.console import output
from kit.errors import BadData
from kit.pipeline import adapter_check
from kit.pipeline.presets.resolution import resolved
from kit.reporting import data_audit


def main(arguments: argparse.Namespace) -> int:
    adapter = competitions.load(arguments.name)
    knobs = knob_flags.given(arguments)
    config, _, _ = resolved(adapter, arguments.preset, knobs)
    adapter = adapter.shaped(config)
    results = list(adapter_check.adapter(adapter))
    failed = sum(bool(fault) for _, fault in results)
    if not arguments.json:
        for name, fault in results:
            output(f"{'✗' if fault else '✓'} {name}{': ' + fault if fault else ''}", lines=False)
        output(f"{len(results) - failed} of {len(results)} checks passed\n")
    try:
        root = adapter.find(arguments.data) if not _lays_out(adapter, arguments) else None
    except BadData as fault:
        lines, root = [(f"The data was not audited: {fault}", True)], None
        if not arguments.json:
            output(lines[0][0])
    else:
        folder = Path("runs") / adapter.name / "check"
        found = data_audit.audit(adapter.shaped(config, root), root, folder, config) if root else iter(())
        lines = list(found if arguments.json else _shown(found))
    if arguments.json:
        checks = [{"check": name, "fault": fault or None} for name, fault in results]
        data = [{"line": line, "warns": warns} for line, warns in lines]
        json_output.show({"checks": checks, "data": data})
    return 65 if failed else 0


def _shown(lines: Iterable[tuple[str, bool]]) -> Iterator[tuple[str, bool]]:
    """The lines of an audit, each printed as soon as it is known."""
    for line, warns in lines:
        mark = "" if line.startswith("? ") else "! " if warns else "· "
        output(f"{mark}{line}", lines=False)
        yield line, warns


def _lays_out(adapter: Adapter, arguments: argparse.Namespace) -> bool:
    """Would a search for the data write the files of an embedded competition? `kit check` only writes contact sheets."""
    facts = adapter.competition
    return bool(facts.embedded and not arguments.data and not any(facts.is_at(p) for p in facts.places()))
