#!/usr/bin/env bash
# Before a commit: formatter, linter, types, and the tests that take no more than a few seconds each.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" dev
.venv/bin/ruff format --check kit competitions scripts tests docs
.venv/bin/ruff check kit competitions scripts tests docs
.venv/bin/mypy
exec .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not slow" "$@"
