"""Run record: what was written is read, by this version's names or another's; what lacks or is new stays usable."""

import json
from pathlib import Path

import pytest

import kit
from kit import config as configs
from kit.errors import BadData, Usage
from kit.storage import run_lifecycle
from kit.storage.run_folder import Run
from kit.storage.run_record import FIELDS, RunRecord

OLD = {"competition": "competitions/digits.py", "config": {"epochs": 3}, "status": "complete", "folds": [0, 1]}


def old_run(folder: Path, **more: object) -> Run:
    (folder / "run.json").write_text(json.dumps(OLD | more), encoding="utf-8")
    return Run(folder)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    gain = {"kept": True, "by": "mean", "gain": 0.01, "noise": 0.002}
    record = RunRecord("digits", {"epochs": 3}, status="tuned", ranges=["lr=0.1:1"], folds=[0, 2], prior=[0.25], blend=gain)
    Run(tmp_path).change(lambda _: record, begin=record)
    assert Run(tmp_path).record == record
    assert Run(tmp_path).info == record.json()


def test_every_field_goes_to_the_file_under_its_name_and_comes_back() -> None:
    values = {name: [name] for name in FIELDS}
    record = RunRecord(**values)  # type: ignore[arg-type]
    assert record.json() == values
    assert RunRecord.from_json(json.loads(json.dumps(record.json()))) == record


def test_an_old_run_that_lacks_fields_opens(tmp_path: Path) -> None:
    record = old_run(tmp_path).record
    assert (record.name, record.status, record.folds, record.config) == ("digits", "complete", [0, 1], {"epochs": 3})
    assert (record.notes, record.sessions, record.device, record.finished) == ([], [], "", None)
    assert not record.is_blend and not record.is_tuning


def test_a_key_of_another_version_survives_a_change(tmp_path: Path) -> None:
    run = old_run(tmp_path, gpu_hours=1.5)
    run.note(status="stopped")
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))["gpu_hours"] == 1.5
    assert run.record.status == "stopped" and run.record.others == {"gpu_hours": 1.5}


def test_a_field_that_there_is_not_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    run = old_run(tmp_path)
    with pytest.raises(TypeError, match="statsu"):
        run.note(statsu="complete")
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == OLD


def test_what_does_not_hold_stays_out_of_the_file() -> None:
    written = RunRecord("digits", {}).json()
    assert {"members", "blend", "ranges", "chosen", "in_time", "finished", "others"}.isdisjoint(written)
    assert written["notes"] == []


def test_a_folder_without_a_run_has_no_record_and_names_the_runs_that_there_are(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "digits" / "fast"
    place.mkdir(parents=True)
    old_run(place)
    empty = Run(tmp_path / "empty")
    assert not empty.exists and empty.info == {} and not empty.complete
    with pytest.raises(Usage, match=r"no run .*runs/digits/fast"):
        _ = empty.record


@pytest.mark.parametrize("content", ["{}", "[1]", "null", "{", '{"status": "stopped", "config": {}}'])
def test_what_is_no_runs_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadData, match=r"run\.json"):
        _ = Run(tmp_path).record


def test_a_run_that_is_started_again_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    known = {"competition": "digits", "config": kit.Config().json(), "data": "abc", "backbone": ""}
    run = Run(tmp_path)
    run_lifecycle.start(run, known, {"epochs": "--epochs"}, "fast", tmp_path)
    run.note(folds=[0, 1], chosen={"lr": 0.1})
    run_lifecycle.start(run, known, {"epochs": "--epochs"}, "fast", tmp_path)
    record = run.record
    assert (record.folds, record.chosen, record.status, record.preset) == ([0, 1], {"lr": 0.1}, "running", "fast")
    assert len(record.sessions) == 2 and record.sessions[0]["versions"]["torch"]


def test_a_run_of_other_data_is_refused_by_the_field_that_differs(tmp_path: Path) -> None:
    config = configs.Config().json()
    known = {"competition": "digits", "config": config, "data": "abc", "backbone": ""}
    run = Run(tmp_path)
    run_lifecycle.start(run, known, {}, "fast", tmp_path)
    (tmp_path / "folds.csv").write_text("id,fold\n1,0\n", encoding="utf-8")
    run_lifecycle.refuse_other(run, known)
    with pytest.raises(Usage, match=r"data: other files than those it was trained on, in .*; epochs"):
        run_lifecycle.refuse_other(run, known | {"data": "xyz", "config": config | {"epochs": 99}})


def test_an_old_run_without_a_backbone_goes_on(tmp_path: Path) -> None:
    run = old_run(tmp_path, data="abc", config=configs.Config().json())
    (tmp_path / "folds.csv").write_text("id,fold\n1,0\n", encoding="utf-8")
    same = {"competition": OLD["competition"], "config": configs.Config().json(), "data": "abc", "backbone": ""}
    run_lifecycle.refuse_other(run, same)
    assert run.exists
