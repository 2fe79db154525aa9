"""Shadow leaderboard: rows kept back teach nothing, whatever they are; ranks, their meaning, and places on Kaggle's own."""

import json
import math
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kit
from kit import competition
from kit.cli.app import main
from kit.competition import kept_back, synthetic
from kit.metrics import accuracy, rmse
from kit.pipeline.plan import planned
from kit.pipeline.shadow import kaggle_board, parts, ranks
from kit.pipeline.shadow.shadow import shadow
from kit.storage import frames

ADAPTER = """
from kit.competition import Competition
from kit.config import Config
from kit.inputs import Table
from kit.labels import Numbers, OneOf
from kit.metrics import accuracy, rmse

competition = Competition("shop", id="id", inputs=Table(numbers=("n", "m")), {facts})
presets = {{"fast": Config(model="mlp", epochs=2, folds=2, batch=16, width=8), "best": Config(model="mlp", epochs=3, folds=2,
            batch=16, width=16)}}
"""
CLASSES = 'labels=OneOf("sold"), metric=accuracy'
ROWS, TEST = 100, 6
MADE = ("oof.csv", "test.csv", "folds.csv", "truth.csv", "submission.csv")


def lay_out(facts: str = CLASSES, sold: object = None, rows: int = ROWS) -> None:
    """An adapter `shop.py`, and its files in `data`; a column `late` that the test does not have gives the answers away."""
    Path("shop.py").write_text(ADAPTER.format(facts=facts))
    Path("data").mkdir(exist_ok=True)
    for name, count in {"train": rows, "more": 12, "test": TEST}.items():
        rng = np.random.default_rng(count)
        table = pd.DataFrame({"id": [f"{name}{i}" for i in range(count)], "n": rng.normal(size=count)})
        table = table.assign(m=rng.normal(size=count), who=rng.integers(0, 30, count), day=rng.permutation(count) // 2)
        if name != "test":
            right = ((table["n"] + rng.normal(size=count)) > 0).astype(int)
            table["sold"] = right if sold is None or name == "more" else sold
            table["late"] = table["sold"]
        table.to_csv(Path("data") / f"{name}.csv", index=False)
    pd.DataFrame({"id": [f"test{i}" for i in range(TEST)], "sold": 0}).to_csv("data/sample_submission.csv", index=False)


def command(*words: str) -> int:
    return main(["shadow", "shop.py", "--data", "data", "--quiet", *words])


def dealt(**knobs: object) -> pd.Series:
    return parts.dealt(planned("shop.py", "data", "fast", knobs), print)[0]


def train() -> pd.DataFrame:
    return pd.read_csv("data/train.csv", index_col="id")


def test_presets_are_trained_without_the_rows_kept_back_ranked_and_gone_on_with(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out()
    Path("data/shop-publicleaderboard.csv").write_text("TeamName,Score\na,1.0\nb,0.1\na,0.2\n")
    assert command("--json") == 0
    found = json.loads(capsys.readouterr().out)
    folder = Path("runs/shop/shadow")
    part, answers = kept_back.read(folder / "parts.csv"), train()["sold"]
    assert part.value_counts()["train"] == ROWS * 4 // 5 and found["rows"] == part.value_counts().to_dict()
    for one in found["standings"]:
        run = kit.load(folder / one["name"])
        assert set(run.oof.index) == set(part.index[part == "train"]) and run.scores["oof"] == pytest.approx(one["oof"])
        submission = pd.read_csv(run.submission, index_col="id")["sold"]
        for name in ("public", "private"):
            ids = part.index[part == name]
            assert one[name] == pytest.approx((submission[ids] == answers[ids]).mean())
    assert [one["private_rank"] for one in found["standings"]] in ([1, 2], [1, 1])
    assert [one["teams"] for one in found["places"]] == [3, 3]
    assert "<title>" in (folder / "shake-up.svg").read_text()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/fold*/*")}
    assert command() == 0
    said = capsys.readouterr().out
    assert "80 rows train, 7 are public, 13 private" in said
    assert "by their public scores in" in said and "(by chance 50%)" in said and "2 of 3" in said
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*/fold*/*")}


@pytest.mark.parametrize(
    "facts", [CLASSES, 'labels=Numbers(("sold",)), metric=rmse', f'{CLASSES}, time="day"', f'{CLASSES}, extra="more.csv"']
)
def test_other_answers_of_the_rows_kept_back_change_no_byte(facts: str) -> None:
    lay_out(facts)
    part = dealt()
    frames.write_csv(Path("parts.csv"), part.to_frame())
    run = partial(kit.run, "shop.py", "data", quiet=True, kept_back="parts.csv")
    first = run(out="first")
    table = train()
    hidden = part.index[part != "train"]
    table.loc[hidden, "sold"] = 1_000_000 if "rmse" in facts else 1 - table.loc[hidden, "sold"]
    table.to_csv("data/train.csv")
    other = run(out="other")
    assert first.record.data != other.record.data
    assert all((first.path / name).read_bytes() == (other.path / name).read_bytes() for name in MADE)
    assert set(first.test.index) == set(hidden) and not set(hidden) & set(first.oof.index)


@pytest.mark.parametrize("name", sorted(competition.names()))
def test_every_competition_answers_training_rows_with_what_its_test_would_have(name: str, tmp_path: Path) -> None:
    facts, count = competition.load(name).competition, 24
    if facts.one_file:
        pytest.skip("its facts follow from its files")
    synthetic.fabricate(facts, tmp_path, count, 8)
    whole = facts.tables(tmp_path)
    part = pd.Series("train", index=whole.train.index.rename("id"), name="part")
    part.iloc[::4] = "private"
    part.iloc[::8] = "public"
    frames.write_csv(tmp_path / "parts.csv", part.to_frame())
    kept = kept_back.answered(facts, str(tmp_path / "parts.csv"))
    tables = kept.tables(tmp_path)
    hidden = list(whole.train.index[::4])
    assert list(tables.sample.index) == hidden and list(tables.train.index) == [
        one for one in whole.train.index if one not in hidden
    ]
    inputs, used = facts.inputs, facts.inputs.used_columns() or ()
    assert not {*facts.labels.train_columns} & {*tables.test.columns} - {*used}
    right = inputs.load(tmp_path, whole.train.loc[hidden], "train", 16).rows
    asked = kept.inputs.load_both(tmp_path, tables.train, tables.test, 16)[1].rows
    assert len(asked) == len(hidden)
    if isinstance(right, np.ndarray):
        assert np.array_equal(np.asarray(asked), np.asarray(right))
    elif inputs.kind == "text":
        assert list(asked) == list(right)


def test_rows_are_kept_back_as_the_folds_are_dealt() -> None:
    lay_out(sold=["rare"] + ["yes", "no"] * 49 + ["no"])
    part = dealt()
    assert part["train0"] == "train"  # nobody could know the class
    assert train()["sold"][part.index[part != "train"]].value_counts().to_dict() == {"no": 10, "yes": 9}
    table = pd.read_csv("data/train.csv").sample(frac=1, random_state=0)
    table.to_csv("data/train.csv", index=False)
    pd.testing.assert_series_equal(dealt(seed=7).sort_index(), part.sort_index())
    lay_out(f'{CLASSES}, group="who"')
    groups = train()["who"].groupby(dealt()).agg(set)
    assert len(groups) == 3 and not groups["train"] & (groups["public"] | groups["private"])
    assert not groups["public"] & groups["private"]
    lay_out(f'{CLASSES}, time="day"')
    days = train()["day"].groupby(dealt()).agg(["min", "max"])
    assert days["max"]["train"] < days["min"]["public"] <= days["max"]["public"] < days["min"]["private"]


def guesses(rng: np.random.Generator, rows: int, *shares: float) -> list[ranks.Answers]:
    """Answers of which these shares are right, each by itself."""
    truth = rng.integers(0, 2, rows)
    return [(truth, np.where(rng.random(rows) < share, truth, 1 - truth)) for share in shares]


def test_what_a_rank_means_is_chance_for_twins_and_certain_for_a_large_gap() -> None:
    good, bad = guesses(np.random.default_rng(0), 1000, 0.9, 0.6)
    found = ranks.meaning(["a", "b", "c"], accuracy, [good, good, bad], [0.9, 0.9, 0.6], public=300)
    twins, gap, again = found.pairs
    assert twins.public == twins.oof == 0.5 and gap.public == gap.oof == again.public == 1
    assert found.first == pytest.approx(0.5) and found.agrees == pytest.approx(2.5 / 3)
    assert found.public == pytest.approx(math.sqrt(0.6 * 0.4 / 300), rel=0.15)
    assert found.private == pytest.approx(math.sqrt(0.6 * 0.4 / 700), rel=0.15)
    alone = ranks.meaning(["a"], rmse, [good], [math.nan], public=300)
    assert math.isnan(alone.agrees) and alone.public > 0


def test_the_order_of_equally_good_submissions_means_nothing() -> None:
    rng = np.random.default_rng(0)
    boards = [ranks.splits(accuracy, guesses(rng, 60, 0.8, 0.8), public=20) for _ in range(50)]
    agrees = [np.sign(public @ [1, -1]) * np.sign(private @ [1, -1]) for public, private in boards]
    assert (np.mean(agrees) + 1) / 2 == pytest.approx(0.5, abs=0.06)  # 0.60 were both boards drawn with replacement


def test_ranks_share_places_and_what_is_undefined_is_last() -> None:
    assert ranks.ranks([0.5, 0.9, 0.9, math.nan], higher_is_better=True) == [3, 1, 1, 4]
    assert ranks.ranks([0.5, 0.9, 0.9, math.nan], higher_is_better=False) == [1, 2, 2, 4]
    assert ranks.shake_up([1, 2, 3], [3, 2, 1]) == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    ("teams", "last"),
    [(50, (5, 10, 20)), (100, (10, 20, 40)), (249, (10, 49, 99)), (250, (10, 50, 100)), (999, (11, 50, 100)),
     (1000, (12, 50, 100)), (3500, (17, 175, 350)), (1, (1, 1, 1))],
)  # fmt: skip
def test_medals_go_to_the_ranks_that_kaggle_names(teams: int, last: tuple[int, int, int]) -> None:
    assert kaggle_board.bands(teams) == last
    assert kaggle_board.medal(last[2] + 1, teams) == "" and kaggle_board.medal(1, teams) == "gold"


def test_a_score_is_placed_among_the_best_of_each_team(tmp_path: Path) -> None:
    text = "TeamId,TeamName,SubmissionDate,Score\n" + "".join(f"{i % 150},x,2020,{i / 1000}\n" for i in range(300))
    with zipfile.ZipFile(tmp_path / "a-publicleaderboard.zip", "w") as archive:
        archive.writestr("any.csv", text)
    path = kaggle_board.find(tmp_path)
    assert path is not None
    board = kaggle_board.read(path, higher_is_better=True)
    assert len(board) == 150 and board.min() == 0.15
    one = kaggle_board.place("mine", 0.2895, 0.01, board, higher_is_better=True)
    assert (one.rank, one.best, one.worst, one.teams, one.medal) == (11, 1, 21, 151, "silver")
    lower = kaggle_board.place("mine", 0.0005, 0.0, kaggle_board.read(path, higher_is_better=False), higher_is_better=False)
    assert (lower.rank, lower.medal) == (2, "gold")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code of a command, and what it says, which is short."""
    code = main([*words, "--quiet"])
    said = capsys.readouterr().err.strip()
    assert "Traceback" not in said and len(said.splitlines()) <= 2, said
    return code, said


def test_what_cannot_be_is_said_before_anything_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out()
    words = ("shadow", "shop.py", "--data", "data")
    cases = {
        ("--presets", "fast,bets"): (2, "Did you mean 'best'"),
        ("--presets", ","): (2, "name one preset"),
        ("--leaderboard", "none.csv"): (2, "--leaderboard none.csv: there is no such file"),
        ("--folds-from", "folds.csv"): (2, "--folds-from folds.csv: kit shadow keeps rows back itself"),
        ("--kept-back", "nowhere.csv"): (2, "--kept-back nowhere.csv: there is no such file"),
        ("--kept-back", "parts.csv"): (2, "--kept-back parts.csv: kit shadow keeps rows back itself"),
        ("--limit", "20"): (65, "10 at least are needed"),
    }
    Path("parts.csv").write_text("id,part\ntrain0,train\ntrain1,public\n")
    Path("folds.csv").write_text("id,fold\ntrain0,0\ntrain1,1\n")
    for given, (code, text) in cases.items():
        found = refused(capsys, *words, *given)
        assert found[0] == code and text in found[1], found
    bad = {
        "id,part\ntrain0,train\ntrain1,pubic\n": "line 3: the part 'pubic' is none of train, public, private",
        "id,part\ntrain0,train\n": "no row of the part public or private",
        "id,part\ntrain0,public\n": "no row of the part train",
        "id,fold\ntrain0,public\n": "part",
        "id,part\ntrain0,public\nnew,train\n": "1 ids are of no training row",
        "id,part\ntrain0,public\ntrain0,train\n": "train0",
    }
    for content, text in bad.items():
        Path("parts.csv").write_text(content)
        found = refused(capsys, "run", "shop.py", "--data", "data", "--out", "r", "--kept-back", "parts.csv")
        assert found[0] == 65 and text in found[1], found
    boards = {"Team,Score\na,1\n": "TeamName", "TeamName,Points\na,1\n": "Score", "TeamName,Score\na,1\nb,x\n": "line 3"}
    for content, text in boards.items():
        Path("board.csv").write_text(content)
        found = refused(capsys, *words, "--leaderboard", "board.csv")
        assert found[0] == 65 and text in found[1], found
    assert not Path("runs").exists()


def test_a_folder_keeps_its_rows_back(capsys: pytest.CaptureFixture[str]) -> None:
    lay_out()
    made = shadow("shop.py", "data", ["fast"], quiet=True, out="s", knobs={"epochs": 1})
    assert len(made.standings) == 1 and math.isnan(made.shake_up) and "strays by" in made.text()
    words = ("shadow", "shop.py", "--data", "data", "--out", "s", "--presets", "fast")
    found = refused(capsys, *words, "--limit", "60")
    assert found[0] == 2 and "was made of other rows (limit: 0 → 60)" in found[1]
    kit.run("shop.py", "data", out="s/mine", quiet=True, kept_back="s/parts.csv", width=4)
    kit.run("shop.py", "data", out="s/all", quiet=True)
    names = {one.name for one in shadow("shop.py", "data", ["fast"], out="s", knobs={"epochs": 1}).standings}
    assert names == {"fast-epochs1", "mine"}
    assert "s/all: has other rows kept back" in capsys.readouterr().err
    found = refused(capsys, "kernel", "build", "shop.py", "--run", "s/mine")
    assert found[0] == 2 and "no kernel can answer the competition's own" in found[1]
