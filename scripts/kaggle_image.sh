#!/usr/bin/env bash
# Makes .venv-kaggle, which holds the versions of Kaggle's image (August 2026) that matter and borrows the rest from .venv;
# runs the kernels' rehearsals in it, and the tests that read, write and compare tables (or those that are named).
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh" dev
pinned="pandas==2.2.2 numpy==2.0.2 scikit-learn==1.6.1 kaggle==2.0.2 pytz"
if [ "$(cat .venv-kaggle/.pinned 2>/dev/null)" != "$pinned" ]; then
    .venv/bin/python -m venv --clear .venv-kaggle
    # shellcheck disable=SC2086
    .venv-kaggle/bin/python -m pip install --quiet --disable-pip-version-check --no-deps $pinned >&2
    .venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
        > "$(.venv-kaggle/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth"
    echo "$pinned" > .venv-kaggle/.pinned
fi
export PYTHONPATH="$PWD"
.venv-kaggle/bin/python -c 'import numpy, pandas, sklearn; print("pandas", pandas.__version__, "numpy", numpy.__version__, "scikit-learn", sklearn.__version__)'
.venv/bin/python scripts/rehearse.py "$PWD/.venv-kaggle/bin/python"
if [ $# = 0 ]; then
    set -- tests/storage/test_frames.py tests/competition/test_submission*.py tests/data/test_folds.py tests/pipeline/test_run.py \
        tests/models/test_text.py tests/inputs/test_images.py tests/kaggle/test_{download,submit,push,dataset}.py
fi
exec .venv-kaggle/bin/python -m pytest "$@"
