"""Tables: the graphs of models of numbers, dates and categories. Each fold's own statistics and categories are inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from kit.inputs.cells import MOST, PARTS, Cells
from kit.inputs.column_encoding import Encoding
from kit.models.graphs.base import Average, Member, network
from kit.models.tables.forest import CODES, Forest

COLUMNS = "columns.json"  # beside the exported model: what its inputs are, column by column
DAY, ERA = 86_400, 146_097  # seconds; the days of 400 years

STRAIGHT, BENT = 1.5, 2.5  # a number counts as it is within so many units of the median; further off, so much more at most


class Rows(Member):
    """numbers float64 [rows, a] and dates float64 [rows, b] in seconds since 1970 (both NaN where missing), and categories
    int64 [rows, c] (0: none of those that are listed) to predictions [rows, answers].

    A table without dates, say, has no such input.
    """

    takes = "table"
    every: Encoding

    def __init__(self, module: Any, every: Encoding):
        super().__init__(module)
        self.every, self.own = every, module.encoding
        known: dict[str, Sequence[Any]] = {"numbers": every.numbers, "dates": every.dates, "categories": every.categories}
        self.names = tuple(name for name, columns in known.items() if columns)
        self.shapes = tuple(("rows", None) for _ in self.names)
        for name, own, columns in (
            ("number", self.own.numbers, every.numbers),
            ("date", self.own.dates, every.dates),
            ("category", [name for name, _ in self.own.categories], [name for name, _ in every.categories]),
        ):
            self.register_buffer(name, torch.tensor([list(columns).index(one) for one in own], dtype=torch.int64))
        tables = [_codes(own, dict(every.categories)[name]) for name, own in self.own.categories]
        self.register_buffer("code", torch.tensor([code for table in tables for code in table], dtype=torch.int64))
        begins = np.cumsum([0, *map(len, tables)])[:-1] if tables else np.zeros(0)
        self.register_buffer("begin", torch.tensor(begins.astype(np.int64)))

    number: torch.Tensor
    date: torch.Tensor
    category: torch.Tensor
    code: torch.Tensor
    begin: torch.Tensor

    def encoded(self, inputs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As `Encoding.encode` has them: numbers float64 [rows, width] with 0 for missing ones, bool which of them are
        missing, and codes int64 [rows, categories]."""
        given = dict(zip(self.names, inputs, strict=True))
        rows = inputs[0].shape[0]
        numbers, missing = [], []
        if len(self.number):
            x = given["numbers"][:, self.number]
            gone = x.isnan()
            numbers.append(torch.where(gone, 0.0, x).clamp(-MOST, MOST))
            missing.append(gone)
        if len(self.date):
            x = given["dates"][:, self.date]
            gone = x.isnan()
            numbers.append(calendar(torch.where(gone, 0.0, x)).flatten(1))
            missing.append(gone[..., None].expand(-1, -1, len(PARTS)).flatten(1))
        if not numbers:  # one at least, as `Encoding.width` says
            numbers, missing = [torch.zeros(rows, 1, dtype=torch.float64)], [torch.zeros(rows, 1, dtype=torch.bool)]
        codes = torch.zeros(rows, 0, dtype=torch.int64)
        if len(self.category):
            codes = self.code[given["categories"][:, self.category] + self.begin]
        return torch.cat(numbers, dim=1), torch.cat(missing, dim=1), codes

    def inputs(self, x: Cells, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        some, every = x[rows], self.every
        found = {
            "numbers": [some.raw(name) for name in every.numbers],
            "dates": [_seconds(some.dates(name, order)) for name, order in every.dates],
            "categories": list(Encoding((), (), every.categories).encode(some)[1].T),
        }
        return tuple(torch.from_numpy(np.stack(found[name], axis=1)) for name in self.names)


class Scaled(Rows):
    """The columns as a network takes them."""

    def __init__(self, module: Any, every: Encoding):
        super().__init__(module, every)
        for name in ("centre", "factor"):
            self.register_buffer(name, getattr(module, name).clone())
        self.register_buffer("flagged", module.flagged.nonzero()[:, 0])

    centre: torch.Tensor
    factor: torch.Tensor
    flagged: torch.Tensor

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As `EncodedModule.encoded` has them: numbers, flags of missing ones and codes."""
        numbers, missing, codes = self.encoded(inputs)
        z = bent(torch.where(missing, 0.0, (numbers - self.centre) * self.factor)).float()
        return z, missing[:, self.flagged].float(), codes


class Perceived(Scaled):
    """By a perceptron."""

    def __init__(self, module: Any, every: Encoding):
        super().__init__(module, every)
        self.net = network(module)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return self.answers(self.net(*super().forward(*inputs)))


class PerceivedByMembers(Perceived):
    """By several perceptrons in one."""

    def answers(self, logits: torch.Tensor) -> torch.Tensor:
        return members_mean(super().answers, logits)


class Asked(Rows):
    """The columns that a fold's trees ask for, as `TreesModule.encoded` puts them."""

    def __init__(self, module: Any, every: Encoding):
        super().__init__(module, every)
        self.encoded_by_mean = module.target_means
        self.register_buffer("asked", torch.tensor(module.asked, dtype=torch.int64))
        self.register_buffer("means", module.means.clone())

    asked: torch.Tensor
    means: torch.Tensor

    @property
    def wide(self) -> int:
        """How many they are."""
        return self.own.width + len(self.own.categories) + self.encoded_by_mean.width(self.means.shape[1])

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """float64 [rows, wide], NaN where nothing is known."""
        numbers, missing, codes = self.encoded(inputs)
        nothing = torch.cat([(codes == 0) | (codes > self.asked), missing], dim=1)
        x = torch.where(nothing, torch.nan, torch.cat([(codes - 1).double(), numbers], dim=1))
        begins = np.cumsum([0, *self.encoded_by_mean.sizes])[:-1].tolist()
        places = zip(self.encoded_by_mean.columns, begins, strict=True)
        return torch.cat([x, *(self.means[codes[:, j] + begin] for j, begin in places)], dim=1)


class Grove(Average):
    """By boosted trees: those of all folds go down together, level by level, as one forest.

    Fold by fold the graph has five times the nodes, and ONNX's exporter took 160 seconds for it, not 25.
    """

    PARTS = ("root", "child", "missing", "feature", "threshold", "value", "chosen", "inside", "adds", "baseline")
    root: torch.Tensor
    child: torch.Tensor
    missing: torch.Tensor
    feature: torch.Tensor
    threshold: torch.Tensor
    value: torch.Tensor
    chosen: torch.Tensor
    inside: torch.Tensor
    adds: torch.Tensor
    baseline: torch.Tensor

    def __init__(self, members: list[Asked], weights: list[float], forests: list[Forest]):
        super().__init__(members, weights)
        wide = [member.wide for member in members]
        joined = beside(forests, wide)
        self.deep, self.outputs_each = depth(joined), len(forests[0].baseline)
        adds = torch.nn.functional.one_hot(joined.output, len(joined.baseline)).double()
        for name in self.PARTS:
            part = adds if name == "adds" else joined.codes.flatten() if name == "inside" else getattr(joined, name)
            self.register_buffer(name, part.clone().flatten() if name == "child" else part.clone())

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        columns = [member(*inputs) for member in self.members]
        logits = self.logits(torch.cat(columns, dim=1)).split(self.outputs_each, dim=1)
        return self.mean([member.answers(one) for member, one in zip(self.members, logits, strict=True)])  # type: ignore[operator]

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """float64 [rows, folds × outputs] of the folds' columns side by side, as Forest gives them."""
        if not len(self.root):
            return self.baseline.expand(x.shape[0], -1)
        node = self.root.expand(x.shape[0], -1)
        for _ in range(self.deep):
            asked = x.gather(1, self.feature[node])
            gone = asked.isnan()
            right = asked > self.threshold[node]
            if len(self.inside):
                chosen = self.chosen[node]
                place = chosen.clamp(min=0) * CODES + torch.where(gone, 0.0, asked).clamp(0, CODES - 1).long()
                right = (right & (chosen < 0)) | (~self.inside[place] & (chosen >= 0))
            turn = torch.where(gone, self.missing[node], right.long())
            node = self.child[2 * node + turn]
        return self.value[node] @ self.adds + self.baseline


def beside(forests: list[Forest], wide: list[int]) -> Forest:
    """Forests as one, whose columns stand side by side (`wide`: how many each has), and whose outputs do too."""
    nodes, sets, columns, outputs = 0, 0, 0, 0
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in Forest.BUFFERS}
    for forest, width in zip(forests, wide, strict=True):
        moved = {"root": nodes, "child": nodes, "feature": columns, "output": outputs}
        for name in Forest.BUFFERS:
            part = getattr(forest, name)
            if name == "chosen":
                part = torch.where(part >= 0, part + sets, part)
            parts[name].append(part + moved.get(name, 0) if name in moved else part)
        nodes, sets = nodes + len(forest.child), sets + len(forest.codes)
        columns, outputs = columns + width, outputs + len(forest.baseline)
    return Forest({name: torch.cat(some) for name, some in parts.items()})


def union(encodings: Sequence[Encoding]) -> Encoding:
    """The columns of several folds, and of each category column the categories that any of them knows."""
    categories: dict[str, dict[str, None]] = {}
    for one in encodings:
        for name, known in one.categories:
            categories.setdefault(name, {}).update(dict.fromkeys(known))
    numbers = dict.fromkeys(name for one in encodings for name in one.numbers)
    dates = dict.fromkeys(date for one in encodings for date in one.dates)
    return Encoding(tuple(numbers), tuple(dates), tuple((name, tuple(known)) for name, known in categories.items()))


def _codes(own: Sequence[str], every: Sequence[str]) -> list[int]:
    """A fold's own code for each code of the input; 0 for what is rare in the fold, or was never seen there."""
    place = {value: code for code, value in enumerate(own, start=1)}
    return [0, *(place.get(value, 0) for value in every)]


def _seconds(when: np.ndarray) -> np.ndarray:
    """Moments datetime64[s] as float64 seconds since 1970; NaN for NaT."""
    return np.where(np.isnat(when), np.nan, when.astype(np.int64))


def calendar(seconds: torch.Tensor) -> torch.Tensor:
    """Seconds since 1970, float64 [rows, b], as `cells.PARTS` [rows, b, 6]. By whole numbers in float64 (Hinnant 2013,
    "chrono-compatible low-level date algorithms"): years begin in March, so that a leap day is their last."""
    day = (seconds / DAY).floor()
    hour = ((seconds - day * DAY) / 3600).floor()
    since = day + 719_468  # of 0000-03-01
    era = (since / ERA).floor()
    rest = since - era * ERA
    year = ((rest - (rest / 1460).floor() + (rest / 36_524).floor() - (rest / 146_096).floor()) / 365).floor()
    rest = rest - (365 * year + (year / 4).floor() - (year / 100).floor())
    month = ((5 * rest + 2) / 153).floor()  # 0: March
    date = rest - ((153 * month + 2) / 5).floor() + 1
    month = torch.where(month < 10, month + 3, month - 9)
    year = year + 400 * era + (month <= 2).double()
    weekday = day + 3 - 7 * ((day + 3) / 7).floor()
    return torch.stack([seconds / DAY, year, month, date, weekday, hour], dim=-1)


def members_mean(answers: Callable[[torch.Tensor], torch.Tensor], logits: torch.Tensor) -> torch.Tensor:
    """The mean prediction [b, c] of members whose logits are [members, b, outputs]; `answers`: logits as predictions."""
    return answers(logits.flatten(0, 1)).unflatten(0, (len(logits), -1)).mean(dim=0)


def depth(forest: Forest) -> int:
    """How many questions a row is asked at most."""
    here, deep = forest.root, 0
    while len(here := here[forest.child[here, 0] != here]):
        here, deep = forest.child[here].flatten(), deep + 1
    return deep


def bent(z: torch.Tensor) -> torch.Tensor:
    """Numbers as they are up to ±STRAIGHT, beyond it ever more slowly up to ±(STRAIGHT + BENT)."""
    beyond = (z.abs() - STRAIGHT).clamp(min=0)
    return z.sign() * (z.abs().clamp(max=STRAIGHT) - BENT * torch.expm1(-beyond / BENT))
