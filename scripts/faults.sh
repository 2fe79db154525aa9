#!/usr/bin/env bash
# The faults the kit must survive, at full length, each with its count (about an hour on two cores; names choose some).
# The test suite holds a short form of every one of them. What needs root, a GPU or Slurm is skipped by name where there is none.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" dev
exec .venv/bin/python scripts/faults "$@"
