"""The gate for guests, second half: what an adapter brings of its own, in processes that know only its file."""

from pathlib import Path

import pytest
from plugs import KNOBS, PLUGS, TOGETHER, preset_model, write

import kit
from kit.cli.app import main


def test_all_parts_but_a_plain_variant_are_tried() -> None:
    assert {*", ".join(TOGETHER).split(", ")} | {"module", "one method changed"} == {*", ".join(PLUGS).split(", ")}


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("plugs", TOGETHER)
def test_a_guests_parts_train_side_by_side_and_predict_in_a_kernel(plugs: str) -> None:
    """Processes of their own find them in the adapter's file, and so does a kernel."""
    write(plugs)
    knobs = {**KNOBS, "epochs": 1, "model": preset_model()}
    Path("competitions").mkdir()
    Path("guest.py").rename("competitions/guest.py")
    alone, beside = (kit.run("guest", "data", out=f"jobs{jobs}", quiet=True, jobs=jobs, **knobs) for jobs in (1, 2))
    for name in ("oof.csv", "test.csv", "submission.csv"):
        assert (beside.path / name).read_bytes() == (alone.path / name).read_bytes()
    assert main(["kernel", "build", "guest", "--run", str(alone.path)]) == 0
    assert main(["kernel", "rehearse", "guest", "--data", "data", "--mount", "new", "--quiet"]) == 0
