"""Tuning: ranges of knobs, trials on one fold, and the gain that another fold tells."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kit
from kit.cli.app import main
from kit.config import KNOBS as KNOBS_OF_ALL, Config
from kit.inference.blend_weights import Gain
from kit.knobs import chosen_from
from kit.models.families import IMAGE, MLP, NGRAMS
from kit.pipeline.plan import planned
from kit.pipeline.search import search_space, tuning
from kit.pipeline.search.search_space import Range
from kit.pipeline.search.trials import Tuned, summary
from kit.storage import frames, run_lifecycle

KNOBS = {"model": "convnet", "width": 4, "epochs": 2, "batch": 64, "folds": 3, "views": 1, "augment": "none"}


def tuned(digits: Path, out: Path, trials: int = 4, which: str = "lr,dropout", **knobs: Any) -> Tuned:
    return tuning.tune(planned("digits", digits, "fast", KNOBS | knobs), trials, which, kit.Run(out), fresh=False, quiet=True)


@pytest.fixture(scope="module")
def whole(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A tuning that nothing disturbed."""
    return tuned(digits, tmp_path_factory.mktemp("whole") / "t", trials=5)


@pytest.mark.usefixtures("one_thread")
def test_two_trials_at_a_time_find_what_one_after_another_find(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned("digits", digits, "fast", KNOBS)
    alone = tuning.tune(plan, 4, "lr,dropout", kit.Run(tmp_path / "alone"), fresh=False, quiet=True)
    plan = planned("digits", digits, "fast", KNOBS | {"jobs": 2})
    beside = tuning.tune(plan, 4, "lr,dropout", kit.Run(tmp_path / "beside"), fresh=False, quiet=False)
    said = capsys.readouterr().err
    assert "2 trials at a time, each in a process of its own" in said
    assert all(f"trial {number}  epoch 2/2" in said for number in range(4))
    assert [(one.number, one.knobs, one.score) for one in beside.trials] == [(o.number, o.knobs, o.score) for o in alone.trials]
    assert beside.gain == alone.gain
    times = {path.parent.name: json.loads(path.read_text())["seconds"] for path in beside.run.path.glob("trial*/trial.json")}
    assert len(times) == 4 and (beside.run.path / "trials.csv").read_text().count("\n") == 5


def test_draws_lie_in_their_range_and_depend_on_seed_and_trial_alone() -> None:
    config = Config(model="mlp", weight_decay=0.3)
    found = search_space.usual(config, MLP)
    assert [one.name for one in found] == ["lr", "weight_decay", "dropout", "width"]
    drawn = [search_space.draw(found, 0, trial) for trial in range(200)]
    assert drawn[0] == {}
    assert drawn[7] == search_space.draw(found, 0, 7) != search_space.draw(found, 1, 7)
    for one in found:
        values = [trial[one.name] for trial in drawn[1:]]
        assert one.low * 0.95 <= min(values) and max(values) <= one.high * 1.05  # two digits are kept
        assert len(set(values)) > 15
        below = np.mean(np.array(values) < (one.low * one.high) ** 0.5) if one.log else np.mean(np.array(values) < one.high / 2)
        assert 0.35 < below < 0.65
    assert all(type(trial["width"]) is int for trial in drawn[1:])
    assert all(config.changed(**trial) for trial in drawn)


def test_ranges_are_read_as_they_are_shown() -> None:
    config = Config(lr=0.01, dropout=0.1).declaring({"augment": chosen_from(KNOBS_OF_ALL["augment"], [])})
    text = "lr=0.001:0.1,width=8:64,augment=light|heavy,model=convnet|resnet18,views=1|5,epochs=5:6"
    found = search_space.parsed(text, config, IMAGE)
    assert ",".join(map(str, found)) == text
    assert [one.log for one in found] == [True, True, False, False, False, False]
    assert found[4].choices == (1, 5)
    assert search_space.parsed("weight-decay", config, IMAGE) == [Range("weight_decay", low=0.0125, high=0.2, log=True)]
    assert search_space.parsed("label_smoothing,ema", config, IMAGE)[0] == Range("label_smoothing", low=0.0, high=0.3)
    assert "photo" not in search_space.parsed("augment", config, IMAGE)[0].choices


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lrr", "--knobs 'lrr': no such knob. Did you mean 'lr'"),
        ("lr=", "--lr '': the value must be a number"),
        ("lr=0.1:0.01", "--knobs lr=0.1:0.01: lr=LOW:HIGH is wanted, the lower first"),
        ("lr=1:2:3", "the lower first, or lr=ONE|OTHER"),
        ("lr=-1:1", "--lr -1.0: the value must be at least 0"),
        ("augment=lite|heavy", "--augment 'lite': the value must be one of .*Did you mean 'light'"),
        ("augment=light:heavy", "augment=LOW:HIGH is wanted"),
        ("folds=3:5", "--knobs folds: it is of the data or of the machine"),
        ("seed", "--knobs seed: it is of the data"),
        ("trees", "--knobs trees: it changes nothing for --model convnet"),
        ("model", "--knobs model: which. Say model=ONE.OTHER"),
        ("clip", "--knobs clip: it is 0 here, which has nothing around it"),
        ("lr,lr=0.1:0.2", "'lr' is named twice"),
    ],
)
def test_what_cannot_be_tuned_is_said(text: str, said: str) -> None:
    with pytest.raises(kit.Usage, match=said):
        search_space.parsed(text, Config().declaring({"augment": chosen_from(KNOBS_OF_ALL["augment"], [])}), IMAGE)


def test_a_trial_scores_what_that_fold_of_a_run_scores(whole: Tuned, digits: Path, tmp_path: Path) -> None:
    for trial in whole.trials[:2]:
        run = kit.run("digits", digits, out=tmp_path / str(trial.number), only_fold=[0], quiet=True, **(KNOBS | trial.knobs))
        assert json.loads((run.fold(0) / "fold.json").read_text())["score"] == trial.score


def test_the_gain_is_told_by_the_second_fold(whole: Tuned, digits: Path, tmp_path: Path) -> None:
    assert whole.best.number and whole.gain is not None
    scores = []
    for knobs in (whole.best.knobs, {}):
        run = kit.run("digits", digits, out=tmp_path / str(len(scores)), only_fold=[1], quiet=True, **(KNOBS | knobs))
        scores.append(json.loads((run.fold(1) / "fold.json").read_text())["score"])
    assert whole.gain.gain == scores[0] - scores[1]
    assert 0 < whole.gain.noise < 0.1


def test_the_best_comes_first_and_the_table_says_the_same(whole: Tuned) -> None:
    scores = [one.score for one in whole.trials if one.score is not None]
    assert scores == sorted(scores, reverse=True) and len(scores) == 5
    assert sorted(one.number for one in whole.trials) == list(range(5))
    table = pd.read_csv(whole.run.path / "trials.csv")
    assert table["score"].tolist() == scores and table["trial"].tolist() == [one.number for one in whole.trials]
    preset = table.set_index("trial").loc[0]
    assert (preset["lr"], preset["dropout"]) == (whole.run.info["config"]["lr"], 0)


def test_a_stopped_tuning_goes_on_and_ends_as_an_undisturbed_one(
    whole: Tuned, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = tuning.attempt, []

    def stopped(*arguments: Any) -> Any:
        calls.append(arguments[1])
        if len(calls) == 3:
            raise kit.Stopped("stopped", 15)
        return plain(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(tuning, "attempt", stopped)
        with pytest.raises(kit.Stopped):
            tuned(digits, tmp_path / "t", trials=5)
    assert kit.Run(tmp_path / "t").info["status"] == "stopped"
    before = {path: path.read_bytes() for path in (tmp_path / "t").glob("trial*/trial.json")}
    assert len(before) == 2
    again = tuned(digits, tmp_path / "t", trials=5)
    assert {path: path.read_bytes() for path in before} == before
    assert [(one.number, one.knobs, one.score) for one in again.trials] == [
        (one.number, one.knobs, one.score) for one in whole.trials
    ]
    assert again.gain == whole.gain
    assert again.run.info["status"] == "tuned"
    assert not list((tmp_path / "t").glob("*/snapshot*"))


def test_other_ranges_another_run_and_no_numbers_are_refused(whole: Tuned, digits: Path) -> None:
    folder = whole.run.path
    with pytest.raises(kit.Usage, match=r"holds another run \(ranges: \['lr=.*, 'dropout=0:0.3'\] → \['lr=.*'\]\)"):
        tuned(digits, folder, which="lr")
    with pytest.raises(kit.Usage, match=r"holds another run \(.*epochs: 2 → 3"):
        tuned(digits, folder, epochs=3)
    with pytest.raises(kit.Usage, match=r"holds another run \(ranges: .* → None\)"):
        kit.run("digits", digits, out=folder, quiet=True, **KNOBS)
    with pytest.raises(kit.Usage, match="--trials 1: two at least"):
        tuned(digits, folder, trials=1)
    with pytest.raises(kit.Usage, match="--lr auto and --batch auto are found before a run"):
        tuned(digits, folder, lr="auto")


def test_a_folder_of_trials_is_no_run(whole: Tuned) -> None:
    with pytest.raises(kit.Usage, match=r"no run but the trials of `kit tune`, listed in .*trials\.csv"):
        kit.load(whole.run.path)


def test_a_trial_that_fails_is_the_last_and_the_presets_failure_ends_it(digits: Path, tmp_path: Path) -> None:
    for which in ("lr=1e37:1e38", "model=nosuch|convnut"):
        found = tuned(digits, tmp_path / which[:5], trials=3, which=which)
        assert [(one.number, one.score is None) for one in found.trials] == [(0, False), (1, True), (2, True)]
        assert found.gain is None and "no trial was better than the preset" in summary(found, "kit run digits")
        assert "failed" in summary(found, "kit run digits")
    with pytest.raises(kit.Usage, match="neither convnet"):
        tuned(digits, tmp_path / "none", model="convnut")


def test_a_time_budget_ends_the_trials(digits: Path, tmp_path: Path) -> None:
    found = tuned(digits, tmp_path / "t", trials=500, time_budget=6)
    assert 1 <= len(found.trials) < 500
    again = tuned(digits, tmp_path / "t", trials=len(found.trials) + 1, time_budget=1e-3)
    assert again.trials == found.trials  # what is there needs no time


def test_starting_over_forgets_what_was_weighed(whole: Tuned, digits: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(whole.run.path, tmp_path / "t")
    before = tuning.tune(
        planned("digits", digits, "fast", KNOBS), 5, "lr,dropout", kit.Run(tmp_path / "t"), fresh=False, quiet=True
    )
    assert before.gain == whole.gain
    run_lifecycle.clear(before.run)
    assert {path.name for path in (tmp_path / "t").iterdir()} <= {".locks"}


def test_the_command_shows_trials_gain_and_how_to_run_them(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = [part for name, value in KNOBS.items() for part in (f"--{name}", str(value))]
    command = ["tune", "digits", "--data", str(digits), "--trials", "3", "--knobs", "lr=0.02|0.03", "--lr", "0.00001", *flags]
    assert main([*command, "--name", "t"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("trial   accuracy  time ") and "\npreset" in said
    run = kit.Run(Path("runs/digits/t"))
    best = frames.read_csv((run.path / "trials.csv").read_bytes(), "trials.csv").iloc[0]
    assert best["lr"] in ("0.02", "0.03") and f"trial {best['trial']} is better by +" in said
    assert said.endswith(f"kit run digits --data {digits} --model convnet --width 4 --epochs 2 --batch 64 --folds 3 --views 1"
                         f" --augment none --lr {best['lr']}\n")  # fmt: skip
    assert main([*command, "--name", "t", "--json", "--quiet"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["gain"]["pays"] and str(again["trials"][0]["number"]) == best["trial"]


def test_a_penalty_that_folds_choose_is_tuned_around_its_default() -> None:
    plain, chosen = (search_space.usual(Config(model="ngrams", inverse_penalty=one), NGRAMS) for one in (0.5, 0.0))
    assert plain == chosen and plain[0].low > 0


def test_trials_worse_than_the_median_are_pruned_and_asked_for_again_after_a_kill(digits: Path, tmp_path: Path) -> None:
    found = tuned(digits, tmp_path / "t", 11, "lr=0.0001:0.1", epochs=4)
    pruned = [one for one in found.trials if one.state == "pruned"]
    assert pruned and all(one.pruned in (1, 2, 3) and one.number >= 5 for one in pruned)
    columns = ["trial", "score", "state", "pruned", "lr"]
    before = pd.read_csv(tmp_path / "t" / "trials.csv")[columns]
    for number in (9, 10):  # what a kill leaves: one that was begun, and one that was not asked for
        (tmp_path / "t" / f"trial{number:03d}" / "trial.json").unlink()
    (tmp_path / "t" / "trial010" / "asked.json").unlink()
    tuned(digits, tmp_path / "t", 11, "lr=0.0001:0.1", epochs=4)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t" / "trials.csv")[columns], before)


def test_a_trial_that_is_worse_on_the_second_fold_is_called_worse(digits: Path, tmp_path: Path) -> None:
    found = tuned(digits, tmp_path / "t", 2, "lr=0.02|0.03")
    said = summary(replace(found, gain=Gain(-0.25, 0.2)), "kit run digits")
    assert said.endswith(f"trial {found.best.number} is worse by 0.25000 ± 0.20000: no more than noise, keep the preset")
    said = summary(replace(found, gain=Gain(-0.5, 0.2)), "kit run digits")
    assert said.endswith("is worse by 0.50000 ± 0.20000: chosen by chance, keep the preset")
