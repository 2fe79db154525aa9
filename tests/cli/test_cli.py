"""The command line: exit codes, what goes where, errors of one to three lines."""

import functools
import importlib
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SMALL, command, flags, warm

import kit
from kit import competition
from kit.cli.app import main
from kit.competition import synthetic
from kit.storage import frames


def failing(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """The exit code and the error of a command that must fail in one to three lines, without a traceback."""
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    assert 1 <= len(captured.err.strip().splitlines()) <= 3, captured.err
    assert "Traceback" not in captured.err and captured.out == ""
    return code, captured.err


def children_seconds() -> float:
    """What processes started here have used of a core: a busy machine makes no difference."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_and_list_are_instant() -> None:
    for words in (["--help"], ["list"], ["weights"]):
        began = children_seconds()
        subprocess.run([sys.executable, "-m", "kit", *words], capture_output=True, check=True)
        assert children_seconds() - began < 1  # 0.25 s: scripts/bench/startup.py measures


def test_list_names_every_adapter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert "digit-recognizer" in text and "digits" in text
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["competitions"]
    assert {
        "name": "mnist",
        "slug": "digit-recognizer",
        "inputs": "pixels",
        "labels": "one of 10",
        "metric": "accuracy",
        "data": None,
    } in rows


def test_usage_errors_suggest_what_was_meant(capsys: pytest.CaptureFixture[str], digits: Path, small_run: kit.Run) -> None:
    for words, hint in [
        (["rnu", "digits"], "'run'"),
        (["run", "digts"], "'digits'"),
        (["run", "digits", "--epoch", "3"], "'--epochs'"),
        (["run", "digits", "--preset", "fats"], "'fast'"),
        (["run", "digits", "--epochs", "three"], "--epochs 'three': the value must be a whole number"),
        (["run", "digits", "--epochs", "-1"], "--epochs -1: the value must be at least 0"),
        (["run", "digits", "--clip", "nan"], "--clip nan: the value must be at least 0, and finite"),
        (["run", "digits", "--final", "fold"], "'folds'"),
        (["run", "digits", "--data", "nowhere"], "there is no such folder"),
        (["run", "digits", "--data", digits / "train.csv"], "that is a file; name the folder that holds it, unpacked"),
        (["run", "digits", "--data", digits, "--model", "resnet34x"], "'resnet34"),
        (["run", "digits", "--data", digits, "--folds", "2", "--only-fold", "9"], "this run has the folds 0, 1."),
        (["run", "digits", "--data", digits, "--only-fold", "a"], "the value must be fold numbers such as 0,2"),
        (["predict", "nowhere"], "there is no run.json"),
        (["predict", small_run.path, "--views", "99"], "there are 9 views"),
        (["predict", small_run.path, "--views", "0"], "--views 0: the value must be at least 1"),
        (["run", "csv", "--data", "nowhere.csv"], "there is no such file or folder"),
        (["run", "digits", "--data", digits, "--precision", "fp16", "--devices", "cpu"], "bf16 or fp32"),
        (["run", "digits", "--data", digits, "--split", "time"], "no time column"),
    ]:
        quiet = ["--quiet"] if words[0] == "run" else []
        code, error = failing(capsys, *words, *quiet)
        assert (code, hint in error) == (2, True), (words, error)


def test_a_typo_in_the_environment_is_no_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, digits: Path
) -> None:
    monkeypatch.setenv("KIT_EPOCH", "3")
    code, error = failing(capsys, "run", "digits", "--data", digits, "--quiet")
    assert (code, "unknown setting KIT_EPOCH in the environment. Did you mean 'KIT_EPOCHS'?" in error) == (2, True)


DIGITS = "from kit import competition as adapters\ncompetition = adapters.load('digits').competition"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("competition = Competition(", "line 1: the adapter cannot be loaded (SyntaxError"),
        ("import nonsense", "No module named 'nonsense'"),
        ("competition = 3", "defines no `competition = Competition(...)`"),
        (f"{DIGITS}\npresets = {{'fast': {{'epochs': 3}}}}", "`presets` gives a Config to each name"),
        (f"{DIGITS}\npresets = 3", "`presets` gives a Config to each name"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_named(
    source: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "competitions").mkdir()
    (tmp_path / "competitions" / "mine.py").write_text(source + "\n")
    code, error = failing(capsys, "run", "mine", "--quiet")
    assert code == 2 and message in error and "mine.py" in error
    assert main(["list"]) == 0
    captured = capsys.readouterr()
    assert "digits" in captured.out and "mine.py" in captured.err


def test_fresh_removes_nothing_from_a_folder_that_is_no_run(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / "precious.txt").write_text("mine")
    kit.run("digits", digits, out=tmp_path, fresh=True, quiet=True, epochs=1, folds=2, width=4, limit=60)
    assert (tmp_path / "fold0" / "precious.txt").read_text() == "mine"


def changed(digits: Path, folder: Path, name: str, change: object) -> Path:
    """A copy of the digits with one file changed (or removed, where `change` gives None)."""
    folder.mkdir(exist_ok=True)
    for path in digits.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = change((digits / name).read_text())
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    return folder


BAD = {
    "a missing file": ("train.csv", lambda t: None, "no such file"),
    "an empty file": ("test.csv", lambda t: "", "the file is empty"),
    "a header without rows": ("test.csv", lambda t: t.splitlines()[0] + "\n", "a header and no rows"),
    "a missing column": ("train.csv", lambda t: t.replace("label", "lable", 1), "no column 'label'"),
    "a missing pixel": ("test.csv", lambda t: t.replace("pixel3,", "pixle3,", 1), "no column 'pixel3'"),
    "an unknown label": (
        "train.csv",
        lambda t: "\n".join([t.split("\n")[0], "x" + t.split("\n")[1], *t.split("\n")[2:]]),
        "'x",
    ),
    "a pixel that is no number": ("test.csv", lambda t: t.replace("\n0,", "\nfoo,", 1), "line 2, column 'pixel0': 'foo'"),
    "a pixel out of range": ("train.csv", lambda t: t.replace(",16,", ",17,", 1), "'17"),
    "a ragged row": (
        "train.csv",
        lambda t: t.replace("\n", ",9\n", 3).replace(",9\n", "\n", 2),
        "66 fields where the header has 65",
    ),
    "a doubled id": ("solution.csv", lambda t: t.replace("\n2,", "\n1,", 1), "the id '1' stands in line 2 already"),
    "a blank id": ("sample_submission.csv", lambda t: t.replace("\n2,", "\n,", 1), "line 3: the id is blank"),
    "an id the test does not have": ("sample_submission.csv", lambda t: t.replace("\n2,", "\n9992,", 1), "'9992'"),
    "an open quote": ("sample_submission.csv", lambda t: t.replace("\n2,", '\n"2,', 1), "does not have: '\"2'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_data_is_named_and_nothing_is_half_written(
    what: str, capsys: pytest.CaptureFixture[str], digits: Path, tmp_path: Path
) -> None:
    name, change, message = BAD[what]
    data = changed(digits, tmp_path / "data", name, change)
    code, error = failing(capsys, "run", "digits", "--data", data, "--out", tmp_path / "out", "--quiet")
    assert code == 65
    assert message in error and name.split(".")[0] in error, error
    assert not (tmp_path / "out" / "submission.csv").exists()


def test_rows_without_a_label_are_named_and_left_out(digits: Path, tmp_path: Path) -> None:
    lines = (digits / "train.csv").read_text().splitlines()
    lines[3] = "," + lines[3].split(",", 1)[1]
    data = changed(digits, tmp_path / "data", "train.csv", lambda t: "\n".join(lines) + "\n")
    run = kit.run("digits", data, out=tmp_path / "run", quiet=True, **SMALL)
    assert "train.csv: 1 rows have no answer and are left out (ids '3')" in run.info["notes"]
    assert "3" not in run.oof.index and len(run.oof) == 300


def test_more_folds_than_rows(capsys: pytest.CaptureFixture[str], digits: Path) -> None:
    code, error = failing(capsys, "run", "digits", "--data", digits, "--limit", 4, "--quiet")
    assert (code, "5 folds of 4 training rows: use --folds 4 or fewer" in error) == (65, True)


def test_data_that_is_nowhere_names_every_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KIT_DATA", str(tmp_path / "mine"))
    code, error = failing(capsys, "run", "mnist", "--quiet")
    assert code == 65
    for place in (
        tmp_path / "mine" / "digit-recognizer",
        "/kaggle/input/digit-recognizer",
        "data/digit-recognizer",
        "kit download",
    ):
        assert str(place) in error


def test_an_error_in_an_adapters_own_lines_is_told_as_that(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = "import kit\nfrom kit.metrics import accuracy\n\n\ndef bent(logits, y):\n    return logits.gather(1, y)\n\n\n"
    source += 'labels = kit.OneOf("label", ("0", "1"), loss=bent)\n'
    source += 'competition = kit.Competition("spots", "id", kit.Pixels(side=8), labels, accuracy)\n'
    (tmp_path / "spots.py").write_text(source)
    synthetic.fabricate(competition.load(str(tmp_path / "spots.py")).competition, tmp_path / "data", train=40, test=8)
    code, error = failing(
        capsys, "run", tmp_path / "spots.py", "--data", tmp_path / "data", "--out", tmp_path / "run", "--epochs", "1", "--quiet"
    )
    assert (code, f"{tmp_path / 'spots.py'}, line 6, in bent: RuntimeError: " in error, "in the kit" in error) == (
        2,
        True,
        False,
    )


def test_a_flag_before_its_command_and_a_column_in_other_letters_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert failing(capsys, "--quiet", "list") == (
        2, "kit: --quiet stands before its command. Write it behind: kit list … --quiet.\n"
    )  # fmt: skip
    (tmp_path / "train.csv").write_text("x,Has churned\n" + "".join(f"{one},{one % 2}\n" for one in range(40)))
    code, error = failing(capsys, "run", "csv", "--data", tmp_path, "--target", "has churned", "--quiet")
    assert (code, "Did you mean 'Has churned'?" in error) == (65, True)
    assert [path.name for path in Path("runs/csv").iterdir()] == ["fast-targethas_churned"]


def test_an_output_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str], digits: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, error = failing(capsys, "run", "digits", "--data", digits, "--out", tmp_path / "file" / "run", "--quiet")
    assert (code, "cannot be written" in error) == (74, True)


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "runs/x"), 74, "runs/x: cannot be read or written (Permission denied)"),
        (OSError(5, "Input/output error"), 74, "Input/output error"),
        (ConnectionResetError("reset"), 69, "the connection failed (reset)"),
        (MemoryError(), 1, "the memory of this machine is full"),
        (OSError(12, "Cannot allocate memory"), 1, "the memory of this machine is full"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 1, "the memory of this machine is full"),
        (
            RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nCompile with"),
            69,
            "busy or unavailable). Does",
        ),
        (RuntimeError("CUDA error: device-side assert triggered"), 1, "this is an error in the kit"),
        (ZeroDivisionError("by zero"), 1, "this is an error in the kit: ZeroDivisionError: by zero"),
    ],
)
def test_any_error_has_its_code_and_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fault: Exception, code: int, said: str
) -> None:
    def fail(path: Path) -> list[str]:
        raise fault

    monkeypatch.setattr(kit, "load", fail)
    found, error = failing(capsys, "report", "runs/digits/fast")
    assert (found, said in error) == (code, True)


@pytest.mark.slow
def test_a_full_disk_leaves_what_was_written_and_exits_74(digits: Path, small_run: kit.Run, tmp_path: Path) -> None:
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (12_000, 12_000))
    process = warm("run", "digits", "--data", digits, "--out", tmp_path / "run", "--quiet", *flags(SMALL), before=limit)
    process.join()
    said = Path("said").read_text()
    assert process.exitcode == 74, said
    assert "Traceback" not in said and 1 <= len(said.strip().splitlines()) <= 3
    assert not list((tmp_path / "run").rglob(".tmp-*"))
    run = kit.run("digits", digits, out=tmp_path / "run", quiet=True, **SMALL)
    assert run.submission.read_bytes() == small_run.submission.read_bytes()


@pytest.mark.slow
def test_results_on_stdout_progress_on_stderr_then_the_rerun_is_instant(digits: Path, tmp_path: Path) -> None:
    words = ["run", "digits", "--data", digits, "--out", tmp_path / "run", *flags(SMALL)]
    first = command(*words)
    assert first.returncode == 0
    assert "out-of-fold accuracy" in first.stdout and "held-out score" in first.stdout and "submission.csv" in first.stdout
    assert "flag: " in first.stderr and "fold 2 of 3  epoch 2/2" in first.stderr
    began = children_seconds()
    again = command(*words)
    assert children_seconds() - began < 2.5  # under 1 s: scripts/bench/startup.py measures
    assert again.returncode == 0 and "held-out score" in again.stdout and "is complete; nothing to do" in again.stderr
    as_json = command(*words, "--json", "--quiet")
    assert as_json.stderr == "" and json.loads(as_json.stdout)["scores"]["metric"] == "accuracy"


def test_the_environment_sets_knobs(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setenv(f"KIT_{name.upper()}", str(value))
    run = kit.run("digits", digits, quiet=True, epochs=1)
    assert run.info["origins"]["width"] == "KIT_WIDTH" and run.info["config"]["epochs"] == 1
    assert run.path == Path("runs/digits/fast-dropout0.1-epochs1-folds3-limit300-width8")


def test_validate_lists_every_fault(
    capsys: pytest.CaptureFixture[str], digits: Path, small_run: kit.Run, tmp_path: Path
) -> None:
    assert main(["validate", "digits", str(small_run.submission), "--data", str(digits)]) == 0
    assert capsys.readouterr().out.strip().endswith("no errors")
    lines = small_run.submission.read_text().splitlines()
    wrong = [lines[0], "1,3.0", "0002,4", *lines[3:], lines[5]]
    (tmp_path / "wrong.csv").write_text("\n".join(wrong) + "\n")
    assert main(["validate", "digits", str(tmp_path / "wrong.csv"), "--data", str(digits)]) == 65
    text = capsys.readouterr().out
    for fault in (
        "line 2, id '1', column 'Label': '3.0' is no class (it is spelled '3')",
        "the id '0002' is not in the sample (it has '2')",
        "the id '5' stands in line 6 already",
        "the id '2' is missing",
    ):
        assert fault in text


def test_check_passes_on_every_adapter_and_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in competition.names():
        began = time.process_time()
        assert main(["check", name]) == 0
        assert time.process_time() - began < 10
        found = re.search(r"(\d+) of (\d+) checks passed", capsys.readouterr().out)
        assert found and found[1] == found[2] and int(found[1]) >= 25, name
    assert list(tmp_path.iterdir()) == []


def test_check_audits_the_data(capsys: pytest.CaptureFixture[str], digits: Path, tmp_path: Path) -> None:
    lines = (digits / "train.csv").read_text().splitlines()
    test = (digits / "test.csv").read_text().splitlines()
    twin = "9" + lines[1][1:]
    lines += [twin, "0," + test[1]]
    data = changed(digits, tmp_path / "data", "train.csv", lambda t: "\n".join(lines) + "\n")
    assert main(["check", "digits", "--data", str(data)]) == 0
    text = capsys.readouterr().out
    assert "! 1 training pictures repeat another one" in text
    assert "! 1 test pictures are training pictures too" in text
    assert "! 1 groups of equal pictures have different answers" in text


def test_doctor_finds_this_machine_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert "✓ torch " in capsys.readouterr().out


def test_a_hand_edited_script_does_the_same(
    digits: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(kit.__file__).parent.parent / "scripts")
    train, make_submission = (importlib.import_module(name) for name in ("train", "make_submission"))
    run = train.main(str(digits), epochs=1, width=4, limit=60, folds=2)
    path = make_submission.main(run.path)
    assert "360 rows" in capsys.readouterr().out
    made = frames.read_csv(path.read_bytes(), "made")
    assert list(made.columns) == ["ImageId", "Label"] and len(made) == 360


@pytest.mark.parametrize(
    ("words", "shown", "hidden"),
    [
        (["rowsum"], ["--width", "--lr", "--folds"], ["--trees", "--augment", "--ngrams"]),
        (["rowsum", "--model", "lightgbm"], ["--trees", "--folds"], ["--lr", "--width"]),
        (["imdb"], ["--ngrams", "--vectors"], ["--epochs", "--size"]),
        ([], ["--trees", "--ngrams", "--augment", "--lr", "--tokens"], []),
        (["nowhere"], ["--trees", "--lr"], []),
    ],
)
def test_help_shows_the_knobs_that_the_chosen_model_heeds(
    words: list[str], shown: list[str], hidden: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["run", *words, "--help"])
    told = capsys.readouterr().out
    options = told[told.index("options:") :]
    assert all(f"  {flag} " in options for flag in shown)
    assert not any(f"  {flag} " in options for flag in hidden)
    assert ("are not shown" in " ".join(told.split())) == bool(hidden)


def test_a_knob_of_an_adapters_own_is_a_flag_in_help_and_on_the_command_line(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.py").write_text(f"import kit\n{DIGITS}\nknobs = {{'alpha': kit.knob(0.25, 'what it does', low=0)}}\n")
    with pytest.raises(SystemExit):
        main(["run", "own.py", "--help"])
    told = capsys.readouterr().out
    assert "This adapter's own:\n  --alpha …" in told and "what it does (here: 0.25)" in " ".join(told.split())
    assert main(["run", "own.py", "--data", str(digits), "--alpha", "-1"]) == 2
    assert "--alpha -1.0: the value must be at least 0" in capsys.readouterr().err
    assert main(["run", "own.py", "--data", str(digits), "--alhpa", "1"]) == 2
    assert "Did you mean '--alpha'" in capsys.readouterr().err


def test_kit_alone_shows_its_help_and_a_missing_argument_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 0 and capsys.readouterr().out.startswith("usage: kit COMMAND …\n")
    assert main(["validate", "digits"]) == 2
    assert capsys.readouterr().err == "kit: the following arguments are required: FILE. See `kit validate --help`.\n"


def test_what_an_adapter_leaves_to_be_answered_is_a_question_not_a_fault(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "mine", "--from", str(digits)]) == 0
    assert f"\n  kit check mine --data {digits}\n  kit run mine --data {digits}\n" in capsys.readouterr().out
    assert main(["check", "mine", "--data", str(digits)]) == 0
    said = capsys.readouterr().out
    assert "\n? accuracy is what" in said and "! ?" not in said
