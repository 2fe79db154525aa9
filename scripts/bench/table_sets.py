"""Table sets: made-up tables with the traits of well-known competitions, laid out as such files are.

No real table is copied: rows are drawn from rules that a person can read here. Each set has train.csv, test.csv and a
sample_submission.csv that tells what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SYLLABLES = ("ba", "ke", "lo", "mi", "ru", "sa", "te", "vo", "za", "ni", "pu", "ga")


def passengers(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """872 rows as titanic has: few columns, blanks, names and tickets of their own; two classes, accuracy."""
    n = 1309
    pclass, male = rng.choice([1, 2, 3], n, p=[0.24, 0.21, 0.55]), rng.random(n) < 0.65
    age, kin = np.clip(rng.normal(39 - 5 * pclass, 13, n), 0.5, 80), rng.poisson(0.5, n)
    fare = np.exp(rng.normal(5.5 - pclass, 0.6, n)) * (1 + 0.3 * kin)
    title = np.where(male, np.where(age < 13, "Master.", "Mr."), np.where(rng.random(n) < 0.5, "Mrs.", "Miss."))
    logit = 2.6 * ~male + 1.1 * (2 - pclass) + 2.2 * (male & (age < 13)) - 0.5 * (kin > 2) + 0.3 * np.log(fare) - 2.2
    logit -= 1.2 * (~male & (pclass == 3))
    names = [f"{_word(rng, 3).title()}, {one} {_word(rng, 2).title()}" for one in title]
    table = pd.DataFrame({
        "Pclass": pclass, "Name": names, "Sex": np.where(male, "male", "female"),
        "Age": _blank(rng, age.round(), 0.2), "SibSp": kin, "Parch": rng.poisson(0.4, n),
        "Ticket": [f"{rng.choice(['A/5', 'PC', 'STON', ''])} {rng.integers(1e4, 4e5)}".strip() for _ in range(n)],
        "Fare": fare.round(4), "Cabin": _blank(rng, [f"{'ABCDE'[rng.integers(5)]}{rng.integers(120)}" for _ in range(n)], 0.77),
        "Embarked": rng.choice(["S", "C", "Q"], n, p=[0.72, 0.19, 0.09]),
        "answer": (_noisy(rng, logit) > 0).astype(int),
    })  # fmt: skip
    return table, "class"


def houses(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """1,946 rows as house-prices has: 30 numbers, 30 categories with rare ones and blanks; an amount."""
    n = 2919
    area, year, quality = np.exp(rng.normal(7.3, 0.33, n)), rng.integers(1900, 2011, n), rng.integers(1, 11, n)
    near, effect = _categories(rng, n, 25), rng.normal(0, 0.18, 25)
    price = 7.2 + 0.55 * np.log(area) + 0.1 * quality + 0.003 * (year - 1950) + effect[near] + rng.normal(0, 0.1, n)
    columns: dict[str, Any] = {"area": area.round(), "year": year, "quality": quality, "near": [f"N{one:02d}" for one in near]}
    for j in range(27):
        one = np.exp(rng.normal(4, 1, n)).round()
        one[rng.random(n) < rng.random() * 0.7] = 0
        price += 0.00006 * one * (j < 10)
        columns[f"number{j}"] = _blank(rng, one, 0.15 * (j % 4 == 0))
    for j in range(29):
        many = int(rng.integers(2, 9))
        one, worth = _categories(rng, n, many), rng.normal(0, 0.05, many)
        price += worth[one] * (j < 12)
        columns[f"kind{j}"] = _blank(rng, [f"{'abcdefghi'[code]}{j}" for code in one], 0.4 * (j % 5 == 0))
    return pd.DataFrame(columns).assign(answer=np.exp(price).round()), "amount"


def spaceship(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """8,646 rows as spaceship-titanic has: cabins of parts, spending that is mostly nothing, blanks; two classes, accuracy."""
    n = 12970
    planet, asleep = rng.choice(["Earth", "Europa", "Mars"], n, p=[0.54, 0.25, 0.21]), rng.random(n) < 0.36
    deck, number, side = rng.choice([*"ABCDEFG"], n), rng.integers(0, 1800, n), rng.choice(["P", "S"], n)
    age, columns, logit = rng.gamma(4, 7, n).round(), {}, np.where(asleep, 1.6, -0.4)
    for j, name in enumerate(("RoomService", "FoodCourt", "Mall", "Spa", "Deck")):
        spent = np.where(asleep | (rng.random(n) < 0.45), 0, np.exp(rng.normal(4.5, 2, n))).round()
        logit += (1, -1, -1, 1, 1)[j] * -0.25 * np.log1p(spent)
        columns[name] = _blank(rng, spent, 0.02)
    logit += np.where(planet == "Europa", 0.7, 0) + np.where(side == "S", 0.35, -0.35) + np.where(age < 5, 1.2, 0)
    logit += np.isin(deck, ["B", "C"]) * 0.8 - (deck == "E") * 0.6 + 0.5 * np.sin(number / 150)
    table = pd.DataFrame({
        "HomePlanet": _blank(rng, planet, 0.02), "CryoSleep": _blank(rng, np.where(asleep, "True", "False"), 0.02),
        "Cabin": _blank(rng, [f"{a}/{b}/{c}" for a, b, c in zip(deck, number, side, strict=True)], 0.02),
        "Destination": _blank(rng, rng.choice(["T", "P", "C"], n, p=[0.7, 0.1, 0.2]), 0.02), "Age": _blank(rng, age, 0.02),
        **columns, "Name": [f"{_word(rng, 3)} {_word(rng, 3)}" for _ in range(n)],
        "answer": np.where(_noisy(rng, logit) > 0, "True", "False"),
    })  # fmt: skip
    return table, "class"


def shelter(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """25,333 rows as the shelter has: breeds and colours by the thousand, names, dates; five unequal classes, log loss."""
    n = 38000
    dog, breed, colour = rng.random(n) < 0.58, _categories(rng, n, 1400), _categories(rng, n, 366)
    sex = rng.choice(
        ["Neutered Male", "Spayed Female", "Intact Male", "Intact Female", "Unknown"], n, p=[0.36, 0.33, 0.13, 0.13, 0.05]
    )
    days = np.exp(rng.normal(5.3, 1.7, n)).clip(1, 6000).round()
    minute = rng.integers(0, 60 * 24 * 800, n)
    hour, named = minute // 60 % 24, rng.random(n) < 0.71
    by_breed, by_colour = rng.normal(0, 0.5, (1400, 5)), rng.normal(0, 0.2, (366, 5))
    logits = np.tile([1.6, 0.2, 0.9, 1.2, -2.2], (n, 1)) + by_breed[breed] + by_colour[colour]
    intact = np.char.startswith(sex.astype(str), "Intact") | (sex == "Unknown")
    logits[:, 0] -= 2.4 * intact
    logits[:, 3] += 1.6 * (intact & (days < 90)) + 0.8 * (~named)
    logits[:, 2] += 1.3 * (dog & named)
    logits[:, 1] += 1.2 * ((hour < 9) | (hour > 20)) + 0.4 * (days > 2500)
    logits[:, 0] += 0.8 * (hour > 16) - 0.4 * (days > 2500)
    outcome = (logits + rng.gumbel(size=(n, 5))).argmax(axis=1)
    unit = np.where(days > 730, "years", np.where(days > 60, "months", np.where(days > 14, "weeks", "days")))
    per = {"years": 365, "months": 30, "weeks": 7, "days": 1}
    when = np.datetime64("2013-10-01T00:00:00") + minute.astype("timedelta64[m]")
    table = pd.DataFrame({
        "Name": np.where(named, [_word(rng, 2 + int(rng.random() < 0.5)).title() for _ in range(n)], ""),
        "DateTime": np.char.replace(when.astype("datetime64[s]").astype(str), "T", " "),
        "AnimalType": np.where(dog, "Dog", "Cat"), "Sex": sex,
        "Age": [f"{int(one // per[u])} {u}" for one, u in zip(days, unit, strict=True)],
        "Breed": [f"{_name(code)} {'Mix' if code % 3 else '/ ' + _name(code * 7 % 1400)}" for code in breed],
        "Colour": [f"{_name(code + 5000)}/{_name(code % 30)}" for code in colour],
        "answer": np.array(["Adoption", "Died", "Return", "Transfer", "Other"])[outcome],
    })  # fmt: skip
    return table, "classes"


def bikes(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """10,944 rows as bike-sharing has: the id is the hour, the test the end of each month; an amount."""
    when = np.datetime64("2011-01-01T00") + np.arange(17520).astype("timedelta64[h]")
    index = pd.DatetimeIndex(when)
    hour, year = index.hour.to_numpy(), np.asarray(index.year == 2012)
    working, month = np.asarray(index.dayofweek < 5), index.month.to_numpy()
    temp = (
        18
        - 13 * np.cos(2 * np.pi * (index.dayofyear.to_numpy() - 20) / 365)
        + 4 * np.sin((hour - 9) / 3.8)
        + rng.normal(0, 3, len(when))
    )
    weather, humid, wind = (
        rng.choice([1, 2, 3], len(when), p=[0.66, 0.26, 0.08]),
        rng.uniform(20, 100, len(when)),
        rng.gamma(2, 6, len(when)),
    )
    commute = np.exp(-((hour - 8) ** 2) / 3) + 1.2 * np.exp(-((hour - 17.5) ** 2) / 5)
    leisure = 1.1 * np.exp(-((hour - 14) ** 2) / 22)
    level = 1.6 + 2.6 * np.where(working, commute, leisure) + 1.6 * ((hour > 6) & (hour < 23)) + 0.035 * temp + 0.45 * year
    level += 0.02 * year * month - 0.35 * (weather == 3) - 0.006 * (humid - 60) - 0.008 * wind + rng.normal(0, 0.28, len(when))
    table = pd.DataFrame({
        "datetime": np.char.replace(when.astype("datetime64[s]").astype(str), "T", " "), "season": (month % 12) // 3 + 1,
        "holiday": (rng.random(len(when)) < 0.03).astype(int), "workingday": working.astype(int), "weather": weather,
        "temp": temp.round(2), "atemp": (temp + rng.normal(2, 1, len(when))).round(2), "humidity": humid.round(),
        "windspeed": wind.round(4), "answer": np.exp(level).round().astype(int),
    })  # fmt: skip
    return table.assign(_test=index.day > 19), "amount"


def leaves(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """1,056 rows as leaf has: 99 classes of about ten rows, 192 numbers; log loss."""
    n, kinds = 1584, 99
    kind = np.arange(n) % kinds
    centres = rng.gamma(1.5, 0.01, (kinds, 192))
    smooth = np.repeat(rng.normal(0, 1, (n, 24)), 8, axis=1)
    x = np.clip(centres[kind] * np.exp(0.45 * smooth + rng.normal(0, 0.4, (n, 192))), 0, 1).round(6)
    table = pd.DataFrame(x, columns=[f"{what}{j + 1}" for what in ("margin", "shape", "texture") for j in range(64)])
    return table.assign(answer=[f"Kind_{one:02d}" for one in kind]), "classes"


def sums(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """16,800 rows of 42 whole numbers: is their sum above zero? Two classes, accuracy."""
    table = pd.DataFrame(rng.integers(-100, 101, (21_000, 42))).add_prefix("n")
    return table.assign(answer=(table.sum(axis=1) > 0).map({True: "yes", False: "no"})), "class"


def wide(rng: np.random.Generator) -> tuple[pd.DataFrame, str]:
    """100,000 rows to train on of 50 real numbers; two classes, accuracy."""
    x = rng.normal(size=(125_000, 50)).astype(np.float32)
    logit = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + x[:, 3] - 0.5 * np.abs(x[:, 4]) + x[:, 5:15] @ rng.normal(0, 0.3, 10)
    table = pd.DataFrame(x.round(4).astype(np.float64), columns=[f"n{j}" for j in range(50)])
    return table.assign(answer=(_noisy(rng, logit) > 0).astype(int)), "class"


SETS: dict[str, Callable[[np.random.Generator], tuple[pd.DataFrame, str]]] = {
    made.__name__: made for made in (sums, passengers, houses, spaceship, shelter, bikes, leaves, wide)
}


def lay_out(name: str, folder: Path) -> None:
    """Write train.csv, test.csv and sample_submission.csv of a set."""
    rng = np.random.default_rng(sum(map(ord, name)))
    table, asked = SETS[name](rng)
    back = (
        table.pop("_test").to_numpy()
        if "_test" in table
        else np.arange(len(table)) % (5 if name in ("wide", "sums") else 3) == 0
    )
    if "datetime" not in table:
        table.insert(0, "id", range(1, len(table) + 1))
    ids = table.iloc[back, :1].reset_index(drop=True)
    if asked == "classes":
        kinds = sorted(set(table["answer"]))
        sample = ids.assign(**dict.fromkeys(kinds, round(1 / len(kinds), 4)))
    else:
        sample = ids.assign(answer=table["answer"].iloc[0] if asked == "class" else 0)
    folder.mkdir(parents=True)
    table[~back].to_csv(folder / "train.csv", index=False)
    table[back].drop(columns="answer").to_csv(folder / "test.csv", index=False)
    sample.to_csv(folder / "sample_submission.csv", index=False)


def _word(rng: np.random.Generator, many: int) -> str:
    return "".join(SYLLABLES[one] for one in rng.integers(0, len(SYLLABLES), many))


def _name(code: int) -> str:
    return "".join(SYLLABLES[code // 12**place % 12] for place in range(3)).title()


def _categories(rng: np.random.Generator, n: int, many: int) -> np.ndarray:
    """Codes of a few frequent and many rare categories."""
    share = 1 / (np.arange(many) + 2)
    return rng.permutation(many)[rng.choice(many, n, p=share / share.sum())]


def _blank(rng: np.random.Generator, cells: Any, share: float) -> np.ndarray:
    return pd.Series(cells, dtype=object).mask(rng.random(len(cells)) < share).to_numpy()


def _noisy(rng: np.random.Generator, logit: np.ndarray) -> np.ndarray:
    return logit + rng.logistic(size=len(logit))
