"""Submission: a right file has no faults, every fault is named with its line and id, and a wrong one is never written."""

import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kit.competition import submission
from kit.errors import BadData
from kit.labels import Columns, Grade, Labels, Numbers, OneOf

IDS = ["001", "02", "x3", "1e5", "7"]
DIGIT = OneOf("label", tuple("0123456789"))
PROBABILITIES = Columns(("p", "q"))
RIGHT = b"id,label\n001,3\n02,1\nx3,0\n1e5,9\n7,7\n"


def sample(*columns: str, ids: list[str] = IDS) -> pd.DataFrame:
    return pd.DataFrame(dict.fromkeys(columns, "0"), index=pd.Index(ids, dtype=object, name="id"))


def faults(data: bytes, labels: Labels = DIGIT) -> list[str]:
    return submission.faults(data, sample("label") if labels is not PROBABILITIES else sample("p", "q"), labels)


@pytest.mark.parametrize(
    "data",
    [
        RIGHT,
        RIGHT.replace(b"\n", b"\r\n"),
        RIGHT.rstrip(),
        b"id,label\n7,7\n1e5,9\nx3,0\n02,1\n001,3\n",
        b'"id","label"\n"001","3"\n"02",1\nx3,0\n1e5,9\n7,7\n',
    ],
)
def test_a_right_file_has_no_faults(data: bytes) -> None:
    assert faults(data) == []


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "the file is empty"),
        (RIGHT.replace(b"id,l", b"ID,L"), "the spelling differs"),
        (RIGHT.replace(b"id,l", b"id, l"), "the spelling differs"),
        (RIGHT.replace(b"label", b"target"), "the header is 'id,target', not 'id,label'"),
        (b"label,id\n3,001\n", "the columns are in another order"),
        (b"," + RIGHT.replace(b"\n", b"\n0,", 5), "the header is ',id,label', not 'id,label'"),
        (RIGHT.split(b"\n", 1)[1], "the header is '001,3'"),
        (b"\xef\xbb\xbf" + RIGHT, "byte-order mark"),
        (RIGHT.decode().encode("utf-16"), "UTF-16"),
        (RIGHT.replace(b"x3", b"x\xff"), "cannot be read as CSV: the file, line 4: not utf-8"),
        (RIGHT.replace(b"x3,0", b'"x3,0'), "cannot be read as CSV"),
        (RIGHT.replace(b"x3", b"x\0"), "cannot be read as CSV: the file, line 4: a NUL"),
        (b"PK\x03\x04" + bytes(range(200, 256)), "cannot be read as CSV"),
        (RIGHT.replace(b"7,7\n", b""), "the id '7' is missing"),
        (RIGHT + b"8,8\n", "line 7: the id '8' is not in the sample"),
        (RIGHT + b"02,1\n", "line 7: the id '02' stands in line 3 already"),
        (RIGHT.replace(b"7,7", b"7.0,7"), "line 6: the id '7.0' is not in the sample (it has '7')"),
        (RIGHT.replace(b"7,7", b"07,7"), "line 6: the id '07' is not in the sample (it has '7')"),
        (RIGHT.replace(b"7,7", b" 7,7"), "line 6: the id ' 7' is not in the sample (it has '7')"),
        (RIGHT.replace(b"001", b"1"), "line 2: the id '1' is not in the sample"),
        (RIGHT.replace(b"001", b"1"), "the id '001' is missing"),
        (RIGHT.replace(b"1e5", b"100000.0"), "line 5: the id '100000.0' is not in the sample"),
        (RIGHT.replace(b"x3,0", b"x3,0,"), "line 4: 3 fields instead of 2"),
        (RIGHT.replace(b"x3,0", b"x3"), "line 4: 1 fields instead of 2"),
        (RIGHT.replace(b"x3,0", b"x3,"), "line 4, id 'x3', column 'label': '' is no class"),
        (RIGHT.replace(b"x3,0", b"x3,0.0"), "line 4, id 'x3', column 'label': '0.0' is no class (it is spelled '0')"),
        (RIGHT.replace(b"x3,0", b"x3,NaN"), "line 4, id 'x3', column 'label': 'NaN' is no class"),
        (RIGHT.replace(b"x3,0", b"x3,10"), "line 4, id 'x3', column 'label': '10' is no class"),
        (RIGHT.replace(b"x3,0", b'"x\n3",0') + b"02,1", "line 8: the id '02' stands in line 3 already"),
    ],
)
def test_each_fault_is_named_with_its_line_and_id(data: bytes, fault: str) -> None:
    assert [one for one in faults(data) if fault in one]


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "", "1.01", "-0.001", "0,5", "true", "0.5 "])
def test_a_wrong_probability_is_named_by_its_column(cell: str) -> None:
    rows = "".join(f'{one},0.5,"{cell if one == "02" else 0.25}"\n' for one in IDS)
    (fault,) = faults(f"id,p,q\n{rows}".encode(), PROBABILITIES)
    assert fault.startswith("line 3, id '02', column 'q': ")


@pytest.mark.parametrize(("labels", "cell"), [(Grade("label", 4), "3.0"), (Numbers(("label",), whole=True), "3.0")])
def test_whole_numbers_that_became_real_are_named(labels: Labels, cell: str) -> None:
    (fault,) = faults(RIGHT.replace(b",9", b",2").replace(b",7", b",2").replace(b"x3,0", f"x3,{cell}".encode()), labels)
    assert fault == "line 4, id 'x3', column 'label': '3.0' should be a whole number (3)"


def test_an_index_column_is_recognised() -> None:
    frame = pd.DataFrame({"id": IDS, "label": list("31097")})
    (fault,) = faults(frame.to_csv().encode())
    assert "index=False" in fault


def test_all_faults_are_listed_at_once() -> None:
    found = faults(b"\xef\xbb\xbfid,label\n001,3\n02,3.0\n02,1\nx3,cat\n1e5,1,1\n8,1\n")
    assert len(faults(b'\xef\xbb\xbfid,label\n"001,3\n')) == 2
    assert [one.split(":")[0] for one in found] == [
        "begins with a byte-order mark",
        "line 3, id '02', column 'label'",
        "line 4",
        "line 5, id 'x3', column 'label'",
        "line 6",
        "line 7",
        "the id '7' is missing",
    ]


Rows = list[list[str]]


def _swap(rows: Rows, rng: random.Random, value: str) -> None:
    rows[rng.randrange(1, len(rows))][rng.randrange(1, len(rows[0]))] = value


MUTATIONS: dict[str, Callable[[Rows, random.Random], object]] = {
    "missing": lambda rows, rng: rows.pop(rng.randrange(1, len(rows))),
    "doubled": lambda rows, rng: rows.insert(rng.randrange(1, len(rows)), list(rng.choice(rows[1:]))),
    "unknown": lambda rows, rng: rows.append(["zz", *rows[1][1:]]),
    "renamed": lambda rows, rng: rows[rng.randrange(1, len(rows))].__setitem__(0, "zz"),
    "zeros lost": lambda rows, rng: [row.__setitem__(0, row[0].lstrip("0")) for row in rows],
    "became real": lambda rows, rng: [row.__setitem__(0, f"{row[0]}.0") for row in rows[1:]],
    "NaN": lambda rows, rng: _swap(rows, rng, rng.choice(["nan", "NaN", "", "None"])),
    "infinite": lambda rows, rng: _swap(rows, rng, rng.choice(["inf", "-inf", "1e999"])),
    "out of range": lambda rows, rng: _swap(rows, rng, rng.choice(["1.5", "-0.1", "2", "-1"])),
    "no number": lambda rows, rng: _swap(rows, rng, rng.choice(["cat", "0.5.5", "#N/A", " "])),
    "header": lambda rows, rng: rows[0].__setitem__(rng.randrange(len(rows[0])), "x"),
    "header order": lambda rows, rng: rows[0].reverse(),
    "no header": lambda rows, rng: rows.pop(0),
    "index": lambda rows, rng: [row.insert(0, str(i)) for i, row in enumerate(rows)],
    "extra column": lambda rows, rng: [row.append("0") for row in rows],
    "extra field": lambda rows, rng: rows[rng.randrange(1, len(rows))].append("0"),
    "field lost": lambda rows, rng: rows[rng.randrange(1, len(rows))].pop(),
}
COUNT = 40


def right_rows(rng: random.Random) -> Rows:
    ids = [f"{i:04d}" for i in range(COUNT)]
    return [["id", "p", "q"], *([one, f"{rng.random():.6f}", f"{rng.random():.6f}"] for one in ids)]


def as_frame(rows: Rows) -> pd.DataFrame | None:
    """The rows as a submission's frame, or None where a frame cannot be so wrong."""
    if any(len(row) != len(rows[0]) for row in rows):
        return None
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=object).set_index(rows[0][0])


def test_a_thousand_wrong_submissions_are_refused_and_never_written(tmp_path: Path) -> None:
    rng, asked, kinds = random.Random(0), sample("p", "q", ids=[f"{i:04d}" for i in range(COUNT)]), set()
    written = 0
    for _ in range(1000):
        rows, chosen = right_rows(rng), rng.choice(sorted(MUTATIONS))
        MUTATIONS[chosen](rows, rng)
        kinds.add(chosen)
        assert submission.faults("\n".join(map(",".join, rows)).encode(), asked, PROBABILITIES), chosen
        frame = as_frame(rows)
        if frame is not None:
            written += 1
            with pytest.raises(BadData, match="Nothing was written"):
                submission.write(tmp_path / "s.csv", asked, frame, PROBABILITIES)
    assert kinds == set(MUTATIONS)
    assert written > 700
    assert list(tmp_path.iterdir()) == []


def test_two_hundred_orders_of_a_right_submission_are_accepted(tmp_path: Path) -> None:
    rng, asked = random.Random(0), sample("p", "q", ids=[f"{i:04d}" for i in range(COUNT)])
    for number in range(200):
        header, *rows = right_rows(rng)
        rng.shuffle(rows)
        assert submission.faults("\n".join(map(",".join, [header, *rows])).encode(), asked, PROBABILITIES) == []
        if number % 20 == 0:
            submission.write(tmp_path / "s.csv", asked, as_frame([header, *rows]), PROBABILITIES)
            assert (tmp_path / "s.csv").read_text().splitlines()[1:] == sorted(",".join(row) for row in rows)  # as the sample
