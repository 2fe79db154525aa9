"""The documentation: short, without dead links, with commands, flags and scripts that exist and Python that runs."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kit
from kit.cli import app, knob_flags
from kit.competition import load
from kit.competition.synthetic import fabricate
from kit.config import KNOBS, flag
from kit.errors import KitError, Usage

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "AGENTS.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "skills").glob("*/SKILL.md")),
]
REFERENCE = ROOT / "docs" / "site" / "reference.py"
MOST_LINES, MOST_CHARACTERS = 150, 120
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
LANGUAGES = {"", "bash", "console", "python"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = "# not run: "
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: their language and their text."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def block_lines(page: Path) -> Iterator[str]:
    """The lines of fenced blocks that are not Python. A command that is shown with the error it ends in is left out."""
    for language, text in blocks(page):
        if language != "python":
            lines = text.replace("\\\n", " ").splitlines()
            for line, answer in zip(lines, [*lines[1:], ""], strict=True):
                if not answer.startswith("kit: unknown"):
                    yield line.split(" # ")[0].removeprefix("$ ")


def code(page: Path) -> Iterator[str]:
    """The lines of fenced blocks that are not Python, and the code in the prose."""
    yield from block_lines(page)
    yield from (span.replace("\\|", "|") for span in re.findall(r"`([^`]+)`", prose(page)))


def commands(page: Path) -> Iterator[str]:
    """The whole commands of the kit in fenced blocks."""
    for line in block_lines(page):
        yield from (command for command in line.split(" && ") if re.match(r"(\.venv/bin/)?kit [^…]+$", command))


def flags() -> dict[str, set[str]]:
    """The flags of each command."""
    parser = app._parser(knob_flags.ALL)
    return {command: set(app._flags(parser, command)) for command in app.COMMANDS}


def wrong_flags(text: str, known: dict[str, set[str]]) -> set[str]:
    """The commands and flags in a piece of code that the kit (or the script that it names) does not have."""
    words = text.split()
    script = re.search(r"\bscripts/[\w/.]+\.(py|sh)\b", text)
    if script:
        path = ROOT / script[0]
        source = path.read_text(encoding="utf-8") if path.is_file() else ""
        knobs = known["run"]  # some scripts hand the knobs of `kit run` on
        return {flag for flag in FLAG.findall(text) if flag not in source and flag not in knobs} if source else {script[0]}
    if len(words) > 1 and words[0] in ("kit", ".venv/bin/kit"):
        if words[1].startswith("-"):
            return set(FLAG.findall(text)) - {"--help", "--version"}
        return set(FLAG.findall(text)) - known[words[1]] if words[1] in known else {words[1]}
    return set(FLAG.findall(text)) - set().union(*known.values()) if text.startswith("--") else set()


def python_blocks(adapters: bool) -> list[object]:
    """The Python blocks of all pages that are to be executed: those that are an adapter's file, or the others."""
    texts = [(page, text) for page in PAGES for language, text in blocks(page) if language == "python"]
    run = [(page, text) for page, text in texts if not text.startswith(NOT_RUN) and ("competition = " in text) == adapters]
    return [pytest.param(text, id=f"{page.name}-{index}") for index, (page, text) in enumerate(run)]


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < MOST_LINES


def test_a_cell_of_the_benchmarks_is_short() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    cells = [cell.strip() for line in text.splitlines() if line.startswith("|") for cell in line.strip("|").split("|")]
    assert len(cells) > 100
    assert [cell for cell in cells if len(cell) > MOST_CHARACTERS] == []


def test_the_index_links_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")} - {"index.md"}
    assert {name for name in pages if f"]({name})" not in index} == set()


def test_the_reference_has_every_knob_and_command() -> None:
    made = runpy.run_path(str(REFERENCE))
    knobs, commands = made["knobs"](), made["commands"]()
    assert [name for name in KNOBS if f"### `{flag(name)}`\n" not in knobs] == []
    assert [name for name in app.COMMANDS if f"### `kit {name}`\n" not in commands] == []


@pytest.mark.slow
def test_the_reference_has_every_public_name() -> None:
    python = runpy.run_path(str(REFERENCE))["python"]()
    assert [name for name in kit.__all__ if not re.search(rf"auto\w+:: kit\.{name}\b", python)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name == "SKILL.md"], ids=lambda page: page.parent.name)
def test_a_skill_says_what_it_is_called_and_when_to_use_it(page: Path) -> None:
    head = re.match(r"---\nname: ([a-z0-9-]{1,64})\ndescription: ([^\n]{1,1024})\n---\n", page.read_text(encoding="utf-8"))
    assert head and head[1] == page.parent.name and "Use " in head[2] and ": " not in head[2]


def test_the_exit_codes_of_the_skill_are_those_of_the_kit() -> None:
    text = (ROOT / "skills" / "kaggle-baseline" / "SKILL.md").read_text(encoding="utf-8")
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    kinds = [KitError, *KitError.__subclasses__()]
    assert codes == {0, *(kind("a").code for kind in kinds)}


@every_page
def test_relative_links_lead_somewhere(page: Path) -> None:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            dead.append(link)
    assert dead == []


@every_page
def test_commands_flags_and_scripts_exist(page: Path) -> None:
    known = flags()
    assert {text: wrong for text in code(page) if (wrong := wrong_flags(text, known))} == {}


@every_page
def test_commands_in_blocks_can_be_parsed(page: Path) -> None:
    wrong = {}
    for command in commands(page):
        try:
            app.parse(shlex.split(command)[1:])
        except Usage as fault:
            wrong[command] = str(fault)
    assert wrong == {}


@every_page
def test_no_block_escapes_the_checks(page: Path) -> None:
    """Every fence opens or closes a block that is known here: none in a list, none in a language that nothing checks."""
    fences = re.findall(r"^ *(?:```|~~~)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(page))
    assert {language for language, _ in blocks(page)} <= LANGUAGES


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("kit run digits --epochs 3", set()),
        ("kit rum digits", {"rum"}),
        ("kit report RUN --epochs 3", {"--epochs"}),
        ("--epoch", {"--epoch"}),
        ("python scripts/no.py", {"scripts/no.py"}),
        ("python scripts/bench/tables.py --tusk x", {"--tusk"}),
    ],
)
def test_a_wrong_command_flag_or_script_is_noticed(text: str, wrong: set[str]) -> None:
    assert wrong_flags(text, flags()) == wrong


@pytest.mark.slow
@pytest.mark.parametrize("text", python_blocks(adapters=True))
def test_an_adapter_in_the_documentation_is_checked_and_trains(text: str, tmp_path: Path) -> None:
    (tmp_path / "competitions").mkdir()
    (tmp_path / "competitions" / "documented.py").write_text(text, encoding="utf-8")
    assert app.main(["check", "documented"]) == 0
    fabricate(load("documented").competition, tmp_path / "data", train=24, test=10)
    run = kit.run("documented", "data", quiet=True, folds=2, epochs=1, batch=8, width=4, workers=0)
    assert not kit.validate("documented", run.submission, "data")


@pytest.mark.slow
@pytest.mark.parametrize("text", python_blocks(adapters=False))
def test_other_python_in_the_documentation_runs(text: str, small_run: kit.Run, digits: Path, tmp_path: Path) -> None:
    """In a process of its own: a stock Trainer warns (no validation loop, few workers), and warnings are errors here."""
    shutil.copytree(small_run.path, tmp_path / "runs" / "digits" / "fast")
    shutil.copytree(digits, tmp_path / "data" / "digits")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


def test_every_python_block_that_is_not_run_says_why() -> None:
    reasons = [text.splitlines()[0] for page in PAGES for language, text in blocks(page) if language == "python"]
    assert all(len(line) > len(NOT_RUN) for line in reasons if line.startswith("# not run"))
    assert (len(python_blocks(adapters=True)), len(python_blocks(adapters=False))) >= (8, 3)
