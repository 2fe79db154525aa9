"""The house: imports only go down, the front door is frozen and light, and every file says what it is."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kit

PACKAGE = Path(kit.__file__).parent
ROOT = PACKAGE.parent
FLOORS = [
    "errors holdout files stores cache pickles config metrics folds frames weights runs stopping progress budget"
    " timings ledger markup drawing axes memory cores ranges",
    "ngrams incidence tokens inputs labels views augment trivial duplicates charts layout sheets",
    "misfits competition submission fabricate modules graphs checkpoints batches photos vectors devices",
    "inference explain backbones loggers keeper training autotune paid work crossval outcome blend pipeline opened"
    " answers check previews readings audit doctor report mistakes findings page export parity card client kaggle"
    " download submit attached dataset kernel show hidden rehearsal push allowance inferred draft plan tune parallel",
    "__init__ cli __main__ local remote",
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names.split()}
MODULES = {path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): path for path in PACKAGE.rglob("*.py")}
HEAVY = ["torch", "pandas", "pytorch_lightning", "timm", "albumentations", "cv2", "sklearn"]
PUBLIC = [
    "BadData",
    "Config",
    "DiskError",
    "Diverged",
    "KitError",
    "Run",
    "Stopped",
    "Usage",
    "load",
    "predict",
    "run",
    "validate",
]


def room(module: str) -> str:
    """`labels.base` is in the room `labels`; the package itself in `__init__`."""
    return module.split(".")[0]


def imported(node: ast.AST) -> list[str]:
    """The names that an import statement loads, `kit.` and all; of `from kit import x`, `kit.x`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written out"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return names if node.module == "kit" else [node.module or ""]
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
    own = {name for name in names if name == "kit" or name.startswith("kit.")}
    return {room(name.removeprefix("kit.")) if room(name.removeprefix("kit.")) in FLOOR else "__init__" for name in own}


every_module = pytest.mark.parametrize("module", sorted(MODULES))


@every_module
def test_every_module_has_a_floor(module: str) -> None:
    assert room(module) in FLOOR


def test_every_room_of_the_floors_is_there() -> None:
    assert set(FLOOR) == {room(module) for module in MODULES}


@every_module
def test_imports_only_go_down(module: str) -> None:
    if module != "__init__":  # the front door reaches the verbs, lazily: below
        beyond = {one for one in kit_rooms(imports(MODULES[module], lazy=True)) if FLOOR[one] > FLOOR[room(module)]}
        assert beyond == set()


def test_the_front_door_loads_the_ground_floor_and_reaches_the_verbs_lazily() -> None:
    path = MODULES["__init__"]
    assert {FLOOR[one] for one in kit_rooms(imports(path, lazy=False))} == {0}
    lazily = kit_rooms(imports(path, lazy=True)) - kit_rooms(imports(path, lazy=False))
    assert lazily == {"pipeline", "answers"}


@pytest.mark.parametrize("module", [module for module in sorted(MODULES) if FLOOR.get(room(module), 9) < 2])
def test_the_lower_floors_never_load_torch(module: str) -> None:
    assert "torch" not in {name.split(".")[0] for name in imports(MODULES[module], lazy=False)}


def test_one_module_imports_kaggles_client_and_does_so_lazily() -> None:
    own = {"kaggle", "kagglesdk"}
    lazily = {module for module, path in MODULES.items() if own & {name.split(".")[0] for name in imports(path, lazy=True)}}
    at_once = {module for module, path in MODULES.items() if own & {name.split(".")[0] for name in imports(path, lazy=False)}}
    assert (lazily, at_once) == ({"client"}, set())


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
def test_an_adapter_imports_only_the_nouns_it_states_facts_with(adapter: str) -> None:
    path = ROOT / "competitions" / f"{adapter}.py"
    assert kit_rooms(imports(path, lazy=False)) <= {"competition", "inputs", "labels", "config", "metrics", "holdout", "errors"}
    assert kit_rooms(imports(path, lazy=True)) <= {
        "competition",
        "inputs",
        "labels",
        "config",
        "metrics",
        "holdout",
        "errors",
        "frames",
        "files",
    }
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    others = {name.split(".")[0] for name in imports(path, lazy=False)} - {"kit"}
    assert others <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("words", [["list"], ["list", "--json"]])
def test_listing_the_competitions_loads_nothing_heavy(words: list[str]) -> None:
    code = f"import sys, kit, kit.cli; kit.cli.main({words!r}); print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "digits" in done.stdout


def test_importing_the_kit_loads_nothing_heavy_and_not_even_numpy() -> None:
    code = f"import sys, kit; print(sorted(set({[*HEAVY, 'numpy', 'scipy', 'PIL']!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_every_package_is_installed() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    below = {f"kit.{path.parent.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.glob("*/__init__.py")}
    assert set(stated) == {"kit", *below, "competitions", "kernels"}
