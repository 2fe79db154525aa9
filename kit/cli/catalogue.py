"""Catalogue: the commands in groups, as `kit --help` shows them, with examples."""

from __future__ import annotations

from collections.abc import Mapping

ABOUT = "From a competition's files to an honest cross-validated score and a checked submission."
MORE = "`kit COMMAND --help` shows a command's options; --json, --quiet and --debug serve for all."
# By what one wants to do. `kit.cli.app` takes the names of all commands from here.
GROUPS = {
    "Start": ("list", "new", "check", "doctor"),
    "Train": ("run", "tune"),
    "Look": ("report", "explain", "weights"),
    "Predict and combine": ("predict", "blend", "validate", "export"),
    "Judge": ("compare", "recheck", "shadow"),
    "Kaggle": ("download", "submit", "ledger", "kernel"),
}
USUAL = ("model", "epochs", "batch", "lr", "size", "augment", "folds", "seeds", "views", "time_budget")  # knobs, shown first
EXAMPLES = (
    ("kit run digits", "a first run, on data that comes with the kit"),
    ("kit download mnist && kit run mnist", "a competition's files, folds, score and submission"),
    ("kit new leaves --from DIR", "a first adapter for a competition of your own"),
    ("kit run leaves --data DIR --model resnet18 --epochs 3", "other choices than the preset's"),
    ("kit explain lr leaves", "what a knob does, what it is set to here, and why"),
    ("kit submit mnist runs/mnist/fast -m first --wait", "send a submission, and see its score"),
)


def overview(helps: Mapping[str, str]) -> str:
    """The map of all commands, by group; `helps`: a line on each."""
    wide = max(map(len, helps)) + 2
    lines = ["usage: kit COMMAND …", "", ABOUT]
    for group, names in GROUPS.items():
        lines += ["", group, *(f"  {name:{wide}}{helps[name]}" for name in names)]
    wide = max(len(words) for words, _ in EXAMPLES) + 2
    lines += ["", "Examples", *(f"  {words:{wide}}{about}" for words, about in EXAMPLES)]
    return "\n".join([*lines, "", MORE, ""])
