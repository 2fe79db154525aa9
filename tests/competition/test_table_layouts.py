"""Layouts of tables: `kit new` finds them, every row is read with its own answer, the submission is the sample's file."""

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kit
from kit import competition as competitions
from kit.cli.app import main
from kit.competition import scaffold, submission
from kit.errors import BadData
from kit.pipeline import adapter_check

N, M = 60, 20  # rows of train and test


def rows(n: int, first: int) -> pd.DataFrame:
    rng = np.random.default_rng(first)
    table = pd.DataFrame({"id": range(first, first + n), "a": rng.normal(size=n).round(3), "b": rng.normal(size=n).round(3)})
    return table.assign(y=[f"k{int(one > 0)}" for one in table["a"]])


TRAIN, TEST = rows(N, 100), rows(M, 500)
ASKED = TEST[["id"]].assign(y="k0")


def written(root: Path, **tables: pd.DataFrame | str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        text = table if isinstance(table, str) else table.to_csv(index=False)
        (root / f"{name}.csv").write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[competitions.Adapter, list[str]]]:
    """`kit new` on a folder, and `kit check` of what it wrote: the adapter and the lines that are printed."""
    monkeypatch.chdir(tmp_path)

    def make(root: Path) -> tuple[competitions.Adapter, list[str]]:
        _, lines = scaffold.write("mine", root)
        adapter = competitions.load("mine")
        assert [(check, fault) for check, fault in adapter_check.adapter(adapter) if fault] == []
        return adapter, lines

    return make


def reads(adapter: competitions.Adapter, root: Path) -> competitions.Tables:
    """The tables, of which every training row has its own answer: y is whether a is positive."""
    facts = adapter.competition
    tables = facts.tables(facts.find(root))
    if {"a", "y"} <= set(tables.train):
        assert ((tables.train["a"].astype(float) > 0) == (tables.train["y"] == "k1")).all()
    return tables


def answered(tables: competitions.Tables, known: pd.Series) -> pd.DataFrame:
    """The submission of one who knows the answers by id, read again as plain cells."""
    y = tables.labels.encode(pd.DataFrame({tables.labels.train_columns[0]: known}))
    certain = pd.DataFrame(tables.labels.certain(y), index=known.index).loc[tables.sample.index]
    built = submission.build(tables.sample, certain, tables.labels)
    text = tables.sample.text(built)
    assert submission.faults(text.encode(), tables.sample, tables.labels) == []
    return pd.read_csv(pd.io.common.StringIO(text), dtype=str, keep_default_na=False, sep=tables.sample.form.delimiter)


KNOWN = TEST.assign(id=TEST["id"].astype(str)).set_index("id")["y"]


@pytest.mark.parametrize("names", [("train_features", "train_targets"), ("train", "train_labels"), ("X_train", "y_train")])
def test_answers_in_a_second_table_are_joined_by_id(names: tuple[str, str], tmp_path: Path, made: Callable) -> None:
    other = names[0].replace("train", "test")
    shuffled = TRAIN.sample(frac=1, random_state=0)[["id", "y"]]
    tables = {names[0]: TRAIN.drop(columns="y"), names[1]: shuffled, other: TEST.drop(columns="y"), "sample_submission": ASKED}
    root = written(tmp_path / "d", **tables)
    adapter, lines = made(root)
    assert adapter.competition.train == tuple(f"{name}.csv" for name in names)
    assert any(f"{names[1]}.csv is joined to {names[0]}.csv by 'id': 60 of 60 rows" in line for line in lines)
    assert len(reads(adapter, root).train) == N


def test_two_tables_of_train_and_test_are_joined_and_lacking_rows_are_blank(tmp_path: Path, made: Callable) -> None:
    more = [part[["id"]].assign(c=[f"c{i}" for i in range(len(part))]).iloc[::3] for part in (TRAIN, TEST)]
    root = written(
        tmp_path / "d", train_main=TRAIN, train_more=more[0], test_main=TEST.drop(columns="y"), test_more=more[1],
        sample_submission=ASKED,
    )  # fmt: skip
    adapter, lines = made(root)
    tables = reads(adapter, root)
    assert adapter.competition.test == ("test_main.csv", "test_more.csv")
    assert list(tables.train["c"][:4]) == ["c0", "", "", "c3"] and list(tables.test["c"][:4]) == ["c0", "", "", "c3"]
    assert sum("is joined to" in line for line in lines) == 2


def test_a_table_of_several_rows_an_id_is_not_joined(tmp_path: Path, made: Callable) -> None:
    bureau = pd.concat([TRAIN[["id"]].assign(c=c) for c in (1, 2)])
    root = written(tmp_path / "d", train=TRAIN, train_bureau=bureau, test=TEST.drop(columns="y"), sample_submission=ASKED)
    adapter, lines = made(root)
    assert adapter.competition.train == "train.csv" and any("not read: 'train_bureau.csv'" in line for line in lines)
    facts = adapter.competition.__class__(**{**vars(adapter.competition), "train": ("train.csv", "train_bureau.csv")})
    with pytest.raises(BadData, match=r"train_bureau.csv: several rows have the 'id' '100'"):
        facts.tables(root)


def test_tables_that_follow_each_other_are_one(tmp_path: Path, made: Callable) -> None:
    parts = {f"train_{i}": TRAIN.iloc[i::3] for i in range(3)}
    root = written(tmp_path / "d", **parts, test=TEST.drop(columns="y"), sample_submission=ASKED)
    adapter, _ = made(root)
    assert adapter.competition.train == "train_*.csv" and len(reads(adapter, root).train) == N


@pytest.mark.parametrize("mark", ["_", "-", "|"])
def test_ids_made_of_columns_are_made_again(mark: str, tmp_path: Path, made: Callable) -> None:
    parts = [
        part.assign(shop=[f"s{i % 4}" for i in range(len(part))], day=[f"d{i}" for i in range(len(part))])
        for part in (TRAIN, TEST)
    ]
    train, test = (part.drop(columns="id") for part in parts)
    ids = test["shop"] + mark + test["day"]
    root = written(tmp_path / "d", train=train, test=test.drop(columns="y"), sample=pd.DataFrame({"Id": ids, "y": "k0"}))
    adapter, lines = made(root)
    assert adapter.competition.id_from == f"{{shop}}{mark}{{day}}"
    assert f"· ids are made of columns: {{shop}}{mark}{{day}}" in lines
    tables = reads(adapter, root)
    assert list(tables.test.index) == list(ids) and tables.test["day"].tolist() == test["day"].tolist()


def long_form(root: Path) -> Path:
    """Findings of pictures, a row for each; the top half tells one, the bottom half the other."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 8)):
        (root / split).mkdir(parents=True)
        lines = ["ID,Label"]
        for i in range(count):
            top, low = int(rng.integers(2)), i % 2
            pixels = rng.normal(60, 9, (16, 16))
            pixels[:8] += 90 * top
            pixels[8:] += 90 * low
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / split / f"ID_{split}{i}.png")
            found = {"top": top, "low_half": low, "any": top | low}
            lines += [f"ID_{split}{i}_{name},{value if split == 'train' else 0.5}" for name, value in found.items()]
        (root / ("train.csv" if split == "train" else "sample_submission.csv")).write_text(
            "\n".join([*lines, lines[1]][: len(lines) + (split == "train")]) + "\n"
        )
    return root


def test_a_row_for_each_picture_and_finding_is_read_and_written_so(tmp_path: Path, made: Callable) -> None:
    root = long_form(tmp_path / "d")
    adapter, lines = made(root)
    assert adapter.competition.melted == "_" and any("a row for each id and answer" in line for line in lines)
    tables = adapter.competition.tables(root)
    assert tables.labels.columns == ("top", "low_half", "any") and len(tables.train) == 24
    run = kit.run("mine", root, out=tmp_path / "run", epochs=2, folds=2, width=8, views=1, augment="none", quiet=True)
    sample, answer = pd.read_csv(root / "sample_submission.csv"), pd.read_csv(run.submission)
    assert list(answer.columns) == ["ID", "Label"] and list(answer["ID"]) == list(sample["ID"])
    wide = pd.read_csv(run.path / "test.csv", index_col=0)
    for one, value in zip(answer["ID"], answer["Label"], strict=True):
        name = next(name for name in wide if one.endswith(f"_{name}"))
        assert wide.at[one.removesuffix(f"_{name}"), name] == pytest.approx(value, rel=1e-5)


def test_the_form_of_the_sample_is_kept(tmp_path: Path, made: Callable) -> None:
    """Its order of columns and rows, an id twice, its delimiter."""
    asked = ASKED[["y", "id"]].sample(frac=1, random_state=1)
    asked = pd.concat([asked, asked.iloc[:1]])
    root = written(
        tmp_path / "d",
        train=TRAIN[["y", "a", "b", "id"]],
        test=TEST.drop(columns="y"),
        sample=asked.to_csv(index=False, sep=";"),
    )
    adapter, lines = made(root)
    tables = reads(adapter, root)
    assert any("1 lines ask for an id once more" in line for line in lines)
    answer = answered(tables, KNOWN)
    assert list(answer.columns) == ["y", "id"] and list(answer["id"]) == list(asked["id"].astype(str))
    assert (answer["y"] == KNOWN.loc[answer["id"]].to_numpy()).all()


@pytest.mark.parametrize("columns", [["y", "a", "b"], ["y"]])
def test_a_sample_without_ids_is_answered_line_by_line(columns: list[str], tmp_path: Path, made: Callable) -> None:
    asked = TEST.assign(y="k0")[columns]
    root = written(tmp_path / "d", train=TRAIN.drop(columns="id"), test=TEST[["a", "b"]], sample=asked)
    adapter, lines = made(root)
    assert adapter.competition.id == "" and any("named by their numbers" in line for line in lines)
    tables = reads(adapter, root)
    answer = answered(tables, pd.Series(list(TEST["y"]), index=[str(i + 1) for i in range(M)]))
    assert list(answer["y"]) == list(TEST["y"]) and list(answer.columns) == columns
    if "a" in columns:
        assert list(answer["a"].astype(float)) == list(TEST["a"])
        short = asked.iloc[1:].to_csv(index=False).encode()
        assert submission.faults(short, tables.sample, tables.labels) == ["the id '20' is missing"]


@pytest.mark.parametrize(
    ("kept", "note", "count"),
    [
        (slice(None, None, 2), "asks for 10 of the 20 rows of test.csv: these are answered", 10),
        (slice(None, 5), "is an excerpt, the first 5 rows of test.csv: all 20 are answered", 20),
        (slice(None, None, -1), "", 20),
    ],
)
def test_a_sample_of_some_rows(kept: slice, note: str, count: int, tmp_path: Path, made: Callable) -> None:
    root = written(tmp_path / "d", train=TRAIN, test=TEST.drop(columns="y"), sample=ASKED[kept])
    adapter, lines = made(root)
    tables = reads(adapter, root)
    assert any(note in line for line in lines) and len(tables.sample) == count
    answer = answered(tables, KNOWN)
    assert len(answer) == count and (answer["y"] == KNOWN.loc[answer["id"]].to_numpy()).all()
    file = tmp_path / "answer.csv"
    file.write_text(answer.to_csv(index=False))
    assert kit.validate("mine", file, root) == []
    file.write_text(answer.iloc[1:].to_csv(index=False))
    assert len(kit.validate("mine", file, root)) == 1


def test_ids_that_the_test_lacks_are_named(tmp_path: Path, made: Callable) -> None:
    more = pd.concat([ASKED, ASKED.tail(1).assign(id=9999)])
    root = written(tmp_path / "d", train=TRAIN, test=TEST.drop(columns="y"), sample=more)
    with pytest.raises(BadData, match=r"sample.csv asks for ids that test.csv does not have: '9999'"):
        made(root)


@pytest.mark.parametrize("spell", ["{}.0", "{:>9}", "0{}", "{}.jpg"])
def test_ids_that_are_written_otherwise_are_the_samples(spell: str, tmp_path: Path, made: Callable) -> None:
    asked = ASKED.assign(id=[spell.format(one) for one in ASKED["id"]])
    root = written(tmp_path / "d", train=TRAIN, test=TEST.drop(columns="y"), sample=asked)
    adapter, lines = made(root)
    tables = reads(adapter, root)
    assert list(tables.sample.index) == list(asked["id"]) and any(
        "ids of the test and the sample differ in" in line for line in lines
    )
    assert (tables.test["a"].astype(float).to_numpy() == TEST["a"].to_numpy()).all()


def test_equal_rows_of_one_id_count_once_and_unequal_ones_are_listed(tmp_path: Path, made: Callable) -> None:
    twice = pd.concat([TRAIN, TRAIN.iloc[::10]])
    root = written(tmp_path / "d", train=twice, test=TEST.drop(columns="y"), sample=ASKED)
    adapter, lines = made(root)
    assert len(reads(adapter, root).train) == N and any("6 rows stand there twice, to the last cell" in line for line in lines)
    written(root, train=pd.concat([TRAIN, TRAIN.iloc[:3].assign(y="k9")]))
    with pytest.raises(BadData, match=r"3 rows have an id that another row has.*'100', '101', '102'.*the first in 'y'"):
        adapter.competition.tables(root)


def packed(root: Path, how: str) -> None:
    """The tables of a folder, packed."""
    for path in sorted(root.glob("*.csv")):
        if how == "gz":
            path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        elif how == "zip":
            with zipfile.ZipFile(root / "everything.zip", "a") as archive:
                archive.write(path, f"inside/{path.name}")
        elif how == "jsonl" and path.stem != "sample_submission":
            table = pd.read_csv(path, dtype=str)
            path.with_suffix(".jsonl").write_text("\n".join(map(json.dumps, table.to_dict("records"))))
        elif how == "deeper":
            (root / "the competition").mkdir(exist_ok=True)
            path.rename(root / "the competition" / path.name)
            continue
        else:
            continue
        path.unlink()


@pytest.mark.parametrize("how", ["gz", "zip", "jsonl", "deeper"])
def test_packed_tables_are_read_where_they_are(how: str, tmp_path: Path, made: Callable) -> None:
    root = written(tmp_path / "d", train=TRAIN, test=TEST.drop(columns="y"), sample_submission=ASKED)
    packed(root, how)
    adapter, _ = made(root)
    assert len(reads(adapter, root).train) == N
    run = kit.run("mine", root, out=tmp_path / "run", epochs=1, folds=2, quiet=True)
    assert (pd.read_csv(run.submission)["id"] == TEST["id"]).all()
    assert Path(run.info["root"]) == (root / "the competition" if how == "deeper" else root)


@pytest.mark.parametrize("name", ["{one}.{i}", "{one}_{i}", "{one} ({i})", "{one}/{i}"])
def test_classes_in_the_names_of_pictures_make_the_table(name: str, tmp_path: Path, made: Callable) -> None:
    root, rng = tmp_path / "d", np.random.default_rng(0)
    for i in range(20):
        for shade, one in enumerate(("cat", "golden_dog")):
            path = root / "train" / f"{name.format(one=one, i=i)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((19 + i % 3, 12, 3), 60 + 100 * shade + rng.integers(9), np.uint8)).save(path)
    (root / "test").mkdir()
    for i in range(6):
        Image.fromarray(np.full((12, 19 + i, 3), 60 + 100 * (i % 2), np.uint8)).save(root / "test" / f"{i}.png")
    written(root, sample_submission=pd.DataFrame({"id": range(6), "label": 0.5}))
    if "(" in name:
        with pytest.raises(BadData, match=r"to train on beside sample_submission.csv"):
            made(root)
        return
    adapter, _ = made(root)
    tables = adapter.competition.tables(root)
    assert len(tables.train) == 40 and set(tables.train["label"]) == {"cat", "golden_dog"}
    size = adapter.presets["fast"].size
    assert size == 16  # the pictures have several sizes
    loaded = adapter.competition.inputs.load(root, tables.train, "train", size).rows
    assert ((loaded.reshape(40, -1).mean(axis=1) > 110) == (tables.train["label"] == "golden_dog")).all()


def test_questions_stand_in_the_adapter_and_every_run_repeats_them(tmp_path: Path, made: Callable) -> None:
    root = written(tmp_path / "d", train=TRAIN, test=TEST.drop(columns="y"), sample=ASKED)
    adapter, lines = made(root)
    asked = [line.removeprefix("? ") for line in lines if line.startswith("? ") and "presets" not in line]
    assert list(adapter.competition.questions) == asked and asked
    run = kit.run("mine", root, out=tmp_path / "run", epochs=1, folds=2, quiet=True)
    assert [note for note in run.info["notes"] if note.startswith("? ")] == [f"? {one}" for one in asked]


def hours(n: int, first: str) -> pd.DataFrame:
    """Counts that follow the hour of day, named by their time, with parts that only train has."""
    when = pd.date_range(first, periods=n, freq="h")
    noise = np.random.default_rng(n)
    casual = (10 + 40 * (when.hour > 7) * (when.hour < 20) + noise.integers(0, 4, n)).astype(int)
    registered = casual * 3 + noise.integers(0, 9, n)
    table = pd.DataFrame({"datetime": when.strftime("%Y-%m-%d %H:%M:%S"), "temp": noise.normal(20, 5, n).round(2)})
    return table.assign(casual=casual, registered=registered, count=casual + registered)


def test_ids_that_are_dates_are_learned_from(tmp_path: Path, made: Callable) -> None:
    train, test = hours(600, "2011-01-01"), hours(200, "2011-01-26")
    asked = test[["datetime"]].assign(count=0)
    root = written(tmp_path / "d", train=train, test=test[["datetime", "temp"]], sampleSubmission=asked)
    adapter, lines = made(root)
    assert adapter.competition.inputs.dates == ("datetime",)
    assert "· 'count' is the sum of 'casual' and 'registered', which the test does not have" in lines
    assert any("? the ids are dates and are learned from" in line for line in lines)
    run = kit.run("mine", root, out=tmp_path / "run", model="lightgbm", trees=60, folds=2, quiet=True)
    answer = pd.read_csv(run.submission)
    assert list(answer.columns) == ["datetime", "count"] and list(answer["datetime"]) == list(test["datetime"])
    assert np.sqrt(((answer["count"] - test["count"]) ** 2).mean()) < 0.3 * test["count"].std()
    again = run.predict(test[["datetime", "temp"]])
    assert np.allclose(again.loc[answer["datetime"]].to_numpy()[:, 0], answer["count"], rtol=1e-4)


def test_parts_of_ids_are_offered_and_learned_from(tmp_path: Path, made: Callable) -> None:
    parts = [
        part.assign(id=[f"{i // 3:03d}_{i % 3}" for i in range(start, start + len(part))])
        for part, start in ((TRAIN, 0), (TEST, 90))
    ]
    root = written(tmp_path / "d", train=parts[0], test=parts[1].drop(columns="y"), sample=parts[1][["id", "y"]])
    adapter, lines = made(root)
    assert any("ids have parts that repeat ('000_0'): Table(id_parts=\"_\") learns from them" in line for line in lines)
    facts = adapter.competition
    stated = facts.__class__(**{**vars(facts), "inputs": kit.Table(id_parts="_")})
    tables = stated.tables(root)
    assert list(tables.train["id part 2"][:4]) == ["0", "1", "2", "0"] and "id part 1" in tables.test


@pytest.mark.parametrize(("mark", "decimal"), [(";", ","), ("\t", ","), ("|", "."), (",", ",")])
def test_a_table_as_a_spreadsheet_writes_it_is_read_and_learned_from(
    mark: str, decimal: str, tmp_path: Path, made: Callable
) -> None:
    rng = np.random.default_rng(4)
    whole = pd.DataFrame({"id": range(300), "temp": rng.normal(20, 8, 300).round(3), "zone": rng.choice(["a", "b"], 300)})
    whole = whole.assign(y=(3 * whole["temp"] + 5 * (whole["zone"] == "a")).round(3))
    how = {"sep": mark, "decimal": decimal, "index": False}
    tables = {"train": whole[:240], "test": whole[240:].drop(columns="y")}
    root = written(
        tmp_path / "d", **{name: table.to_csv(**how) for name, table in tables.items()}, sample=whole[240:][["id"]].assign(y=0)
    )
    adapter, _ = made(root)
    read = adapter.competition.tables(root)
    assert np.allclose(read.train["temp"].astype(float), whole["temp"][:240]) and list(read.train["zone"]) == list(
        whole["zone"][:240]
    )
    assert np.allclose(read.encoded()[:, 0], whole["y"][:240])
    if mark == ";":
        run = kit.run("mine", root, out=tmp_path / "run", model="lightgbm", trees=120, folds=2, quiet=True)
        answer = pd.read_csv(run.submission, index_col="id")["y"]
        assert np.sqrt(((answer - whole.set_index("id")["y"]) ** 2).mean()) < 0.4 * whole["y"].std()


ODD = ("class", "None", "a b", "a,b", "price (€)", "{x}", "<b>", "x[0]", "Größe", "index", "T", "id.1", "n" * 300)
ODDER = ('say "hi"', "line\nbreak", " lead", "0", "-1", "columns")


def test_odd_names_of_columns_run_and_report(tmp_path: Path, made: Callable) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(80, len(ODD) + len(ODDER))).round(3), columns=[*ODD, *ODDER])
    table.insert(0, "id", range(80))
    table["class"], table["def"] = [f"k{i % 5}" for i in range(80)], np.where(table["None"] > 0, 'b < a & "c"', "d'e <i>")
    root = written(tmp_path / "d", train=table[:60], test=table[60:].drop(columns="def"), sample=table[60:][["id", "def"]])
    made(root)
    run = kit.run("mine", root, out=tmp_path / "run", epochs=1, folds=2, width=8, quiet=True)
    assert set(pd.read_csv(run.submission)["def"]) <= {'b < a & "c"', "d'e <i>"}
    assert main(["report", str(run.path)]) == 0
    assert "e <i>" not in (run.path / "report.html").read_text(encoding="utf-8")


def test_a_sample_that_asks_for_some_of_the_findings_is_answered_with_those(tmp_path: Path, made: Callable) -> None:
    findings = TRAIN.assign(**{f"f{i}": (TRAIN["a"] > i / 2).astype(int) for i in range(4)}).drop(columns="y")
    asked = TEST[["id"]].assign(f0=0, f1=0, f2=0)
    root = written(tmp_path / "d", train=findings, test=TEST.drop(columns="y"), sample=asked)
    adapter, lines = made(root)
    assert adapter.competition.labels.names == ("f0", "f1", "f2")
    assert any("columns that the test table does not have are not used: 'f3'" in line for line in lines)


def test_ids_that_a_spreadsheet_would_compute_stay_as_they_are(tmp_path: Path) -> None:
    test = TEST.assign(id=["=1+1", "@SUM(A1)", "+7", *map(str, range(M - 3))])
    data = written(tmp_path / "data", train=TRAIN, test=test.drop(columns="y"), sample_submission=test[["id"]].assign(y="k0"))
    run = kit.run("csv", data, out=tmp_path / "run", quiet=True, target="y", epochs=1, folds=2)
    assert [line.split(",")[0] for line in run.submission.read_text().splitlines()[1:4]] == ["=1+1", "@SUM(A1)", "+7"]
    assert any(note.startswith("3 ids begin with '=', '+' or '@', such as '=1+1'") for note in run.record.notes)


def test_cells_of_several_parts_are_learned_from_by_part(made: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def cabins(n: int) -> pd.DataFrame:
        deck, side = rng.choice([*"ABC"], n), rng.choice(["P", "S"], n)
        cells = [f"{a}/{b}/{c}" for a, b, c in zip(deck, rng.integers(0, 900, n), side, strict=True)]
        cells[3] = ""
        return pd.DataFrame({"id": range(n), "Cabin": cells, "when": ["2024/01/05", "2024/02/06"] * (n // 2), "y": side})

    train, test = cabins(200), cabins(60).assign(id=range(900, 960))
    data = written(tmp_path / "data", train=train, test=test.drop(columns="y"), sample_submission=test[["id"]].assign(y="P"))
    adapter, _ = made(data)
    assert adapter.competition.inputs.parts == (("Cabin", "/"),)
    assert 'Table(parts=(("Cabin", "/"),))' in Path("competitions/mine.py").read_text()
    tables = adapter.competition.tables(data)
    assert list(tables.train["Cabin part 3"][:3]) == [one.split("/")[2] for one in train["Cabin"][:3]]
    assert tables.train["Cabin part 1"].iloc[3] == ""
    run = kit.run("mine", data, out=tmp_path / "run", quiet=True, model="mlp", epochs=20, folds=2)
    assert run.scores["oof"] > 0.9
    again = kit.load(run.path).predict(test.drop(columns="y"))
    assert np.allclose(again.to_numpy(), run.test.to_numpy(), atol=1e-6)
