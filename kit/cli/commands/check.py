"""Check: test an adapter against its own facts, and audit its data."""

from __future__ import annotations

import argparse
from pathlib import Path

from kit import competition as competitions
from kit.cli import knob_flags
from kit.competition import Adapter
from kit.console import output
from kit.errors import BadData
from kit.pipeline import adapter_check
from kit.pipeline.plan import resolved
from kit.reporting import data_audit


def main(arguments: argparse.Namespace) -> int:
    adapter = competitions.load(arguments.name)
    knobs = knob_flags.given(arguments)
    config, _, _ = resolved(adapter, arguments.preset, knobs)
    adapter = adapter.shaped(config)
    results = list(adapter_check.adapter(adapter))
    for name, fault in results:
        output(f"{'✗' if fault else '✓'} {name}{': ' + fault if fault else ''}", lines=False)
    failed = sum(bool(fault) for _, fault in results)
    output(f"{len(results) - failed} of {len(results)} checks passed\n")
    try:
        root = adapter.competition.find(arguments.data) if not _lays_out(adapter, arguments) else None
    except BadData as fault:
        output(f"The data was not audited: {fault}")
        return 65 if failed else 0
    folder = Path("runs") / adapter.name / "check"
    for line, warns in data_audit.audit(adapter.shaped(config, root), root, folder, config) if root else []:
        output(f"{'!' if warns else '·'} {line}", lines=False)
    return 65 if failed else 0


def _lays_out(adapter: Adapter, arguments: argparse.Namespace) -> bool:
    """Would a search for the data write the files of an embedded competition? `kit check` only writes contact sheets."""
    facts = adapter.competition
    return bool(facts.embedded and not arguments.data and not any(facts.is_at(p) for p in facts.places()))
