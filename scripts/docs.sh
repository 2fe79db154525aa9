#!/usr/bin/env bash
# Builds the documentation as a site in build/site. Every warning is an error: a dead link or anchor, a page that nothing links.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" docs
PYTHONPATH="$PWD:$PWD/docs/site" .venv/bin/python -m sphinx --quiet --fresh-env --fail-on-warning -c docs/site -d build/doctrees . build/site
echo "build/site/index.html"
