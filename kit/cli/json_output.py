"""JSON output: what every command prints on stdout with --json: one object, whose keys and types are stated here.

The table of docs/json.md is made from these types, and a test holds the real output of every command against them.
"""

import json
import types
from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict, Union, get_args, get_origin, get_type_hints, is_typeddict

from kit.console import output
from kit.storage import plain_json


class Error(TypedDict):
    """What any command prints that could not do what it was asked: the message, and the exit code of the process."""

    error: str
    code: int


class Place(TypedDict):
    """A competition that has an adapter. `data`: where its files were found, `built in`, or null."""

    name: str
    slug: str
    inputs: str
    labels: str
    metric: str
    data: str | None


class Listed(TypedDict):
    """`kit list`."""

    competitions: list[Place]


class Adapter(TypedDict):
    """`kit new`. `lines`: what was found in the files, and what it is unsure of."""

    adapter: str
    lines: list[str]


class Check(TypedDict):
    """A check of an adapter. `fault`: null where it passed."""

    check: str
    fault: str | None


class Line(TypedDict):
    """A line of an audit. `warns`: is it something to look at?"""

    line: str
    warns: bool


class Checked(TypedDict):
    """`kit check`."""

    checks: list[Check]
    data: list[Line]


class State(TypedDict):
    """A fact about this machine. `bad`: the kit does not work so."""

    state: Literal["ok", "note", "bad"]
    line: str


class Doctor(TypedDict):
    """`kit doctor`."""

    ok: bool
    lines: list[State]


class Trained(TypedDict):
    """`kit run`, `kit blend`. `scores`: what `scores.json` holds; null, as `submission`, for a run that is not complete."""

    run: str
    status: str
    submission: str | None
    scores: dict[str, Any] | None


class Gain(TypedDict):
    """How much better the best trial is than the preset on a fold that did not choose it."""

    gain: float | None
    noise: float | None
    pays: bool


class Trial(TypedDict):
    """A trial of a search. `score`: null where it was ended early or could not be trained; `pruned`: the epoch of that end."""

    number: int
    knobs: dict[str, Any]
    score: float | None
    seconds: float
    epochs: dict[str, float]
    pruned: int | None


class Tuned(TypedDict):
    """`kit tune`. `command`: trains what the search found on all folds."""

    run: str
    trials: list[Trial]
    gain: Gain | None
    command: str


class Advice(TypedDict):
    """What the run shows, and the knob to turn; `docs`: the page that says more."""

    rule: str
    shows: str
    do: str
    knobs: list[str]
    docs: str


class Report(TypedDict):
    """`kit report`. `meaning`: the score in words; `next`: what to try next."""

    report: str
    meaning: str
    next: list[Advice]


class Explained(TypedDict):
    """`kit explain`. `here`: its value in a competition or a run, and why."""

    knob: str
    help: str
    group: str
    flag: str
    environment: str
    default: Any
    choices: list[Any]
    low: float | None
    high: float | None
    heeded_by: list[str]
    left_alone_by: list[str]
    recipes: dict[str, Any]
    here: NotRequired[dict[str, Any]]


class Weight(TypedDict):
    """Pretrained weights of this machine. `size`: in bytes; `commercial`: does the licence allow commercial use?"""

    name: str
    kind: str
    path: str
    size: int
    architecture: str
    licence: str
    commercial: bool


class Weights(TypedDict):
    """`kit weights`."""

    weights: list[Weight]


class Predicted(TypedDict):
    """`kit predict`. `rows`: of the test set."""

    submission: str
    rows: int


class Answered(TypedDict):
    """`kit predict --text`: of each text its `text` and a number for each answer."""

    answers: list[dict[str, Any]]


class Validated(TypedDict):
    """`kit validate`. `faults`: empty where Kaggle will take the file."""

    file: str
    valid: bool
    faults: list[str]


class Exported(TypedDict):
    """`kit export`. `difference`: the largest, from the run's models on `rows` test rows."""

    model: str
    card: str
    difference: float | None
    rows: int


class Predictions(TypedDict):
    """`kit export --format csv`: the files."""

    predictions: list[str]


class Compared(TypedDict):
    """`kit compare`. The best run is first in `scores`; each of `pairs` holds it beside another one."""

    metric: str
    higher_is_better: bool
    count: int
    scores: dict[str, float | None]
    pairs: list[dict[str, Any]]
    grouped: str
    notes: list[str]


class Shadowed(TypedDict):
    """`kit shadow`. The privately best submission is first in `standings`; `places`: on Kaggle's leaderboard, if at hand."""

    folder: str
    metric: str
    higher_is_better: bool
    rows: dict[str, int]
    standings: list[dict[str, Any]]
    shake_up: float | None
    meaning: dict[str, Any]
    board: str
    places: list[dict[str, Any]]


class Rechecked(TypedDict):
    """`kit recheck`."""

    run: str
    against: str
    seed: int
    metric: str
    score: float | None
    other: float | None
    gain: float | None
    noise: float | None
    before: float | None
    survives: bool


class Downloaded(TypedDict):
    """`kit download`: the files."""

    files: list[str]


class Submission(TypedDict):
    """A submission on Kaggle. `public`, `private`: its scores, null as long as there are none."""

    ref: int
    status: str
    message: str
    public: float | str | None
    private: float | str | None
    reason: str
    file: NotRequired[str]
    date: NotRequired[str | None]


class Submitted(TypedDict):
    """`kit submit`: what was sent; without FILE all earlier submissions."""

    submissions: list[Submission]


class Standing(TypedDict):
    """Runs and submissions of a competition, and which two to select."""

    competition: str
    metric: str
    rank_correlation: float | None
    select: list[dict[str, Any]]
    alike: float | None
    strays: list[dict[str, Any]]
    picture: str | None
    rows: list[dict[str, str]]


class Ledger(TypedDict):
    """`kit ledger`."""

    competitions: list[Standing]


class Built(TypedDict):
    """`kit kernel build`. `dataset`: the folder that `kit kernel push` uploads, or null."""

    folder: str
    code: str
    dataset: str | None


class Rehearsal(TypedDict):
    """A kernel that was run as on Kaggle. `memory`: in bytes; `faults`: empty where it passed."""

    about: str
    rows: int
    seconds: float
    memory: float
    faults: list[str]
    notes: list[str]


class Rehearsed(TypedDict):
    """`kit kernel rehearse`."""

    rehearsals: list[Rehearsal]


class Pushed(TypedDict):
    """`kit kernel push`, `kit kernel status`. `output`: the folder of what a complete kernel wrote."""

    id: str
    version: int
    url: str
    status: NotRequired[str]
    reason: NotRequired[str]
    output: NotRequired[str]
    ref: NotRequired[int]
    message: NotRequired[str]
    file: NotRequired[str]
    date: NotRequired[str | None]
    public: NotRequired[float | str | None]
    private: NotRequired[float | str | None]


OBJECTS: Mapping[str, Any] = {  # by command, with what makes it print another object
    "list": Listed,
    "new": Adapter,
    "check": Checked,
    "doctor": Doctor,
    "run": Trained,
    "tune": Tuned,
    "report": Report,
    "explain": Explained,
    "weights": Weights,
    "predict": Predicted,
    "predict --text": Answered,
    "blend": Trained,
    "validate": Validated,
    "export": Exported,
    "export --format csv": Predictions,
    "compare": Compared,
    "recheck": Rechecked,
    "shadow": Shadowed,
    "download": Downloaded,
    "submit": Submitted,
    "ledger": Ledger,
    "kernel build": Built,
    "kernel rehearse": Rehearsed,
    "kernel push": Pushed,
    "kernel status": Pushed,
}
WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null", Any: "any value"}


def show(value: Mapping[str, Any]) -> None:
    """Print an object as one line of JSON, all ASCII (a terminal is steered by other letters); null for no finite number."""
    output(json.dumps(plain_json.finite(value), allow_nan=False), lines=False)


def described() -> str:
    """All objects as a table in Markdown."""
    rows = [f"| `kit {command}` | {fields(shape)} |" for command, shape in OBJECTS.items()]
    return "\n".join(["| command | keys of its object |", "|---|---|", *rows, f"| any, in error | {fields(Error)} |"])


def fields(shape: Any) -> str:
    """The keys of an object with their types, in words."""
    optional = shape.__optional_keys__
    hints = get_type_hints(shape).items()
    return ", ".join(f"`{key}` {in_words(hint)}{' (not always)' if key in optional else ''}" for key, hint in hints)


def in_words(hint: Any) -> str:
    """A type in words."""
    if hint in WORDS:
        return WORDS[hint]
    if is_typeddict(hint):
        return f"({fields(hint)})"
    origin, inner = get_origin(hint), get_args(hint)
    if origin is list:
        return "list" if inner == (Any,) else f"list of {in_words(inner[0])}"
    if origin is dict:
        return "object"
    if origin is Literal:
        return " or ".join(inner)
    if origin in (Union, types.UnionType):
        return " or ".join(map(in_words, inner))
    raise TypeError(f"{hint}: no type of JSON")
