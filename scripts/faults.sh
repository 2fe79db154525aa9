#!/usr/bin/env bash
# The faults the kit must survive, at full length: a line for each with its count (about 20 minutes on two cores).
# The test suite holds a short form of every one of them.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" dev
exec .venv/bin/python scripts/faults "$@"
