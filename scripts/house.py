"""How is the code laid out? `python scripts/house.py [--of REVISION] [--list FIGURE]` prints a table of structural figures.

Counts what can be read off the syntax trees of `kit/`, of this checkout or of a revision of git, so that before and after
are measured by the same rules. `--list FIGURE` prints the places that a figure counts. Needs the standard library only.

Questions of kind are the lines that ask "which kind is it?" and so know what only the kinds themselves should know:

* `isinstance` against a class of `kit/inputs` or `kit/labels`, or against a model or Lightning module of the kit;
* a comparison of `.kind` (not of a dtype's);
* a comparison of a config's `model` with literal names, or with a constant that lists them.

Parts by name are the lines with `hasattr` or `getattr` and the literal name of a part that such classes define: the same
question in another form, counted apart.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODELS = {"LightningModule", "FoldModel"}  # and what is built on them
MOST_POSITIONAL, MOST_PARAMETERS, MOST_LINES, MOST_FUNCTION = 6, 6, 200, 30
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ASKING = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository: the syntax trees of its package `kit`."""

    root: Path

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of every module, by its path from the root."""
        paths = sorted((self.root / "kit").rglob("*.py"))
        return {path.relative_to(self.root).as_posix(): path.read_text(encoding="utf-8") for path in paths}

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        return {name: ast.parse(text) for name, text in self.texts.items()}

    @cached_property
    def rooms(self) -> list[str]:
        """The packages in their order, as `tests/test_house.py` states it; none for the flat layout."""
        path = self.root / "tests" / "test_house.py"
        for node in ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else []:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ROOMS":
                return ast.literal_eval(node.value)
        return []

    @cached_property
    def kinds(self) -> dict[str, ast.ClassDef]:
        """The classes of inputs, of the rows that they load, of labels and of models, by name."""
        trees = self.trees.items()
        classes = {node.name: (name, node) for name, tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        bases = {name: {last(base) for base in node.bases} for name, (_, node) in classes.items()}
        found = {
            name for name, (path, _) in classes.items() if name in MODELS or path.startswith(("kit/inputs/", "kit/labels/"))
        }
        grown = True
        while grown:
            more = {name for name, above in bases.items() if above & {*found, *MODELS}} - found
            found, grown = found | more, bool(more)
        return {name: classes[name][1] for name in found if name in classes}

    @cached_property
    def parts(self) -> set[str]:
        """The names of the attributes and methods that the kinds define."""
        names = set()
        for kind in self.kinds.values():
            names |= {node.name for node in kind.body if isinstance(node, FUNCTIONS)}
            names |= {last(node.target) for node in kind.body if isinstance(node, ast.AnnAssign)}
            stored = (node for node in ast.walk(kind) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store))
            names |= {node.attr for node in stored if last(node.value) == "self"}
        return names


def last(node: ast.AST) -> str:
    """The last name of `a`, `a.b` or `a[b]`; "" for any other expression."""
    if isinstance(node, ast.Subscript):
        return last(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def nodes(checkout: Checkout) -> Iterator[tuple[str, ast.AST]]:
    """Every node of every module, with its module's path."""
    for name, tree in checkout.trees.items():
        for node in ast.walk(tree):
            yield name, node


def place(checkout: Checkout, name: str, node: ast.AST) -> str:
    """`kit/module.py:12: the line`, for people and editors."""
    line = getattr(node, "lineno", 1)
    return f"{name}:{line}: {checkout.texts[name].splitlines()[line - 1].strip()}"


def functions(checkout: Checkout) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, node in nodes(checkout):
        if isinstance(node, FUNCTIONS):
            yield name, node


def questions_of_kind(checkout: Checkout) -> list[str]:
    """The lines that ask which kind something is, as the top of this file describes them."""
    return sorted({place(checkout, name, node) for name, node in nodes(checkout) if asks_kind(node, checkout)})


def asks_kind(node: ast.AST, checkout: Checkout) -> bool:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        return isinstance(node.ops[0], ASKING) and (any(map(of_kind, sides)) or of_model(sides))
    if not isinstance(node, ast.Call) or last(node.func) != "isinstance":
        return False
    return any(last(part) in checkout.kinds for part in ast.walk(node.args[1]))


def parts_by_name(checkout: Checkout) -> list[str]:
    """The lines that ask whether something has a part which only some kinds define."""
    calls = [(name, node) for name, node in nodes(checkout) if isinstance(node, ast.Call) and len(node.args) > 1]
    asking = [(name, node) for name, node in calls if last(node.func) in ("hasattr", "getattr")]
    parts = checkout.parts - {"name", "presets"}  # which enums and adapters have too
    return sorted({place(checkout, name, node) for name, node in asking if getattr(node.args[1], "value", "") in parts})


def of_kind(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "kind" and last(node.value) not in ("dtype", "real")


def of_model(sides: list[ast.expr]) -> bool:
    """Is a config's `model` on one side, and a name or a constant with names on the other?"""
    models = [side for side in sides if isinstance(side, ast.Attribute) and side.attr == "model"]
    names = [side for side in sides if last(side).isupper() or (texts(side) and not isinstance(side, ast.Attribute))]
    return bool(models and names)


def texts(node: ast.AST) -> bool:
    """Is this a text, or a tuple, list or set of texts?"""
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return all(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts)


def inner_imports(checkout: Checkout) -> list[str]:
    found = {
        (name, node)
        for name, function in functions(checkout)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return sorted(place(checkout, name, node) for name, node in found)


def long_calls(checkout: Checkout) -> list[str]:
    """Calls with too many positional arguments, but for functions that take any number of the same thing."""
    variadic = {node.name for _, node in functions(checkout) if node.args.vararg} | {"Sequential"}  # torch.nn's layers
    calls = [(name, node) for name, node in nodes(checkout) if isinstance(node, ast.Call) and last(node.func) not in variadic]
    return [place(checkout, name, node) for name, node in calls if len(node.args) > MOST_POSITIONAL]


def wide_functions(checkout: Checkout) -> list[str]:
    """Functions with more than MOST_PARAMETERS parameters, `self` left out."""
    found = []
    for name, node in functions(checkout):
        given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        if len([one for one in given if one.arg not in ("self", "cls")]) > MOST_PARAMETERS:
            found.append(place(checkout, name, node))
    return found


def long_functions(checkout: Checkout) -> list[str]:
    long = [(name, node) for name, node in functions(checkout) if (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION]
    return [place(checkout, name, node) for name, node in long]


def long_files(checkout: Checkout) -> list[str]:
    lines = {name: len(text.splitlines()) for name, text in checkout.texts.items()}
    return [f"{name}: {count}" for name, count in sorted(lines.items(), key=lambda item: -item[1]) if count > MOST_LINES]


def crowded(checkout: Checkout) -> list[str]:
    """The folders with their files, the fullest first."""
    counts = Counter(Path(name).parent.as_posix() for name in checkout.texts)
    return [f"{folder}: {count}" for folder, count in counts.most_common()]


def upward_imports(checkout: Checkout) -> list[str]:
    """Imports of a package that is listed after the importing one; the ground has no packages above it that it may import."""
    order = {room: number for number, room in enumerate(checkout.rooms)}
    found = []
    for name, node in nodes(checkout):
        own = Path(name).parts[1]
        level = order.get(own, -1) if not own.startswith("__") else len(order)
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        above = [order.get(module.split(".")[1], -1) for module in modules if module.startswith("kit.")]
        found += [place(checkout, name, node)] if max(above, default=-1) > level else []
    return found


LISTS: dict[str, Callable[[Checkout], list[str]]] = {
    "files-in-a-folder": crowded,
    "upward-imports": upward_imports,
    "questions-of-kind": questions_of_kind,
    "parts-by-name": parts_by_name,
    "inner-imports": inner_imports,
    "long-calls": long_calls,
    "wide-functions": wide_functions,
    "long-files": long_files,
    "long-functions": long_functions,
}


def figures(checkout: Checkout) -> list[tuple[str, str]]:
    """The rows of the table: what is counted, and how many there are."""
    counts = {name: count(checkout) for name, count in LISTS.items()}
    asking = len({line.partition(":")[0] for line in counts["questions-of-kind"]})
    return [
        ("most files in one folder", counts["files-in-a-folder"][0].rpartition(" ")[2]),
        ("imports that run upwards", str(len(counts["upward-imports"])) if checkout.rooms else "–"),
        ("questions of kind (in files)", f"{len(counts['questions-of-kind'])} ({asking})"),
        ("parts asked for by name", str(len(counts["parts-by-name"]))),
        ("imports inside functions", str(len(counts["inner-imports"]))),
        (f"calls with more than {MOST_POSITIONAL} positional arguments", str(len(counts["long-calls"]))),
        (f"functions with more than {MOST_PARAMETERS} parameters", str(len(counts["wide-functions"]))),
        ("lines of kit/ (files)", f"{sum(text.count(chr(10)) for text in checkout.texts.values()):,} ({len(checkout.texts)})"),
        (f"files over {MOST_LINES} lines", str(len(counts["long-files"]))),
        (f"functions over {MOST_FUNCTION} lines", str(len(counts["long-functions"]))),
    ]


def unpack(revision: str, folder: Path) -> Path:
    """Write the files of a revision below a folder; returns it. Raises CalledProcessError where git does not know it."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", revision]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(data)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description="Print structural figures of the code in kit/.")
    parser.add_argument("--of", metavar="REVISION", help="a revision of git (default: this checkout as it stands)")
    parser.add_argument("--list", dest="listed", choices=LISTS, metavar="FIGURE", help=f"print the places: {', '.join(LISTS)}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(unpack(arguments.of, Path(folder)) if arguments.of else ROOT)
        if arguments.listed:
            print("\n".join(LISTS[arguments.listed](checkout)))
        else:
            print("\n".join(f"{name:48}{value:>14}" for name, value in figures(checkout)))


if __name__ == "__main__":
    main()
