#!/usr/bin/env bash
# Rehearses the kernels of mnist, cifar10, imdb and quadratic offline: predicting by a run and by a blend, and training.
# $KIT_DATA: a folder with the competitions' files by slug; made up where there is none. $1: another Python for the kernels.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" dev
exec .venv/bin/python scripts/rehearse.py "$@"
