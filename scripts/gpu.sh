#!/usr/bin/env bash
# What a GPU makes of the kit, in at most eight minutes: does everything run, where does the host wait, how fast is a fold of
# CIFAR-10, are the bits the same, how much memory. The most valuable parts come first; a table ends it.
# $PYTHON: a Python that has torch for the GPU (default: python3). Arguments: see scripts/gpu.py. Without a GPU: a rehearsal.
cd "$(dirname "${BASH_SOURCE[0]}")/.." && exec env PYTHONPATH=. GOMP_SPINCOUNT="${GOMP_SPINCOUNT-1000}" "${PYTHON:-python3}" scripts/gpu.py "$@"
