"""The site: all pages and the reference build without a warning, so no link, anchor or docstring leads nowhere."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    site = ROOT / "docs" / "site"
    command = [
        "--quiet",
        "--fail-on-warning",
        "-c",
        str(site),
        "-d",
        str(tmp_path / "doctrees"),
        str(ROOT),
        str(tmp_path / "site"),
    ]
    where = os.pathsep.join([str(ROOT), str(site)])
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *command],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": where}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--landmarks" in (tmp_path / "site" / "docs" / "reference" / "knobs.html").read_text()
