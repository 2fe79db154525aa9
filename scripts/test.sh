#!/usr/bin/env bash
# Makes .venv if there is none, installs what the tests need, runs the whole test suite (or what is named) on all cores.
# `-n 0` after it, or a plain `python -m pytest`, is one process: for a debugger, or a single test.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" dev
exec .venv/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder "$@"
