# Makes .venv and installs the kit into it (sourced by the other scripts). $1: extras, such as dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.12 python3.13 python3.11 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer with venv is needed; set PYTHON to one." >&2
    return 1
}

if [ ! -x .venv/bin/python ]; then
    "$(find_python)" -m venv .venv
fi
extras="${1:-}"
stamp=".venv/.installed-${extras:-base}"
wanted="$(cat pyproject.toml requirements.txt | .venv/bin/python -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "installing the kit and its requirements into .venv (a few minutes the first time) …" >&2
    .venv/bin/python -m pip install --progress-bar off --disable-pip-version-check --editable ".${extras:+[$extras]}" |
        awk '/^ *Downloading .*[MG]B\)/ || /^Installing/ { print substr($0, 1, 100) " …"; fflush() }' >&2
    echo "$wanted" > "$stamp"
fi
