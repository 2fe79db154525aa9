#!/usr/bin/env bash
# Makes .venv if there is none, installs what the tests need, runs the whole test suite (or what is named).
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" dev
exec .venv/bin/python -m pytest "$@"
