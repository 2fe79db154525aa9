"""Reading: CTC sums over alignments, the grammar decides what is a text, views and folds vote, nothing is saved as code."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image

from kit import labels as all_labels
from kit.config import Config
from kit.errors import BadData, Usage
from kit.inputs import rendered_text
from kit.labels import Reading, ctc
from kit.labels.reading import vote
from kit.models import registry
from kit.reporting import figures, readings

STEPS, SYMBOLS = 5, 4


def total(text: str) -> tuple[int] | None:
    """The sum of numbers such as 1+22; the grammar of these tests."""
    parts = text.split("+")
    return (sum(map(int, parts)),) if all(part.isdigit() for part in parts) else None


def minus(text: str) -> tuple[int] | None:
    found = total(text)
    return found and (-found[0],)


LABELS = Reading(
    ("v",), whole=True, low=(-99,), high=(99,), column="text", alphabet="0123456789+", longest=6, compute=(total, minus)
)


def table(texts: list[str], values: list[object]) -> pd.DataFrame:
    rows = {"v": [str(one) for one in values], "text": texts}
    return pd.DataFrame(rows, index=[f"id{i}" for i in range(len(texts))], dtype=object)


def log_probabilities(n: int, seed: int = 0, steps: int = STEPS, symbols: int = SYMBOLS) -> torch.Tensor:
    return torch.randn(n, steps, symbols, generator=torch.Generator().manual_seed(seed)).mul(2).log_softmax(dim=-1)


def by_hand(one: np.ndarray) -> dict[tuple[int, ...], float]:
    """The probability of every text, by adding up all alignments."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(one.shape[1]), repeat=one.shape[0]):
        text = tuple(k for k, _ in itertools.groupby(path) if k)
        found[text] = found.get(text, 0.0) + float(np.exp(sum(one[step, k] for step, k in enumerate(path))))
    return found


def test_a_text_has_the_probability_of_all_its_alignments() -> None:
    rows = log_probabilities(6)
    codes = torch.tensor([[1, 2, 0], [1, 1, 0], [3, 0, 0], [2, 3, 2], [0, 0, 0], [3, 3, 3]])
    wanted = [by_hand(one.numpy()).get(tuple(int(k) for k in text if k), 0.0) for one, text in zip(rows, codes, strict=True)]
    assert ctc.probability(rows, codes).tolist() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_search_finds_the_most_probable_text(seed: int) -> None:
    one = log_probabilities(1, seed)[0].numpy()
    known = by_hand(one)
    found = ctc.search(one, width=300)
    assert found[0][0] == max(known, key=known.get)
    assert np.exp(found[0][1]) == pytest.approx(max(known.values()), rel=1e-5)


@given(st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=5))
def test_greedy_leaves_out_repeats_and_blanks(steps: list[list[int]]) -> None:
    codes = ctc.greedy(np.array(steps), 5)
    for row, seen in zip(codes, steps, strict=True):
        text = [k for k, _ in itertools.groupby(seen) if k][:5]
        assert row.tolist() == text + [0] * (5 - len(text))


def spelled_out(texts: list[str], sure: float = 0.9) -> torch.Tensor:
    """Log-probabilities that show these texts, a character every other step."""
    steps = torch.full((len(texts), 2 * LABELS.longest, LABELS.outputs), (1 - sure) / (LABELS.outputs - 1))
    for i, text in enumerate(texts):
        for j in range(2 * LABELS.longest):
            k = LABELS.alphabet.index(text[j // 2]) + 1 if j % 2 == 0 and j // 2 < len(text) else 0
            steps[i, j, k] = sure
    return steps.log()


def test_decode_undoes_encode_and_spaces_are_not_read() -> None:
    train = table(["1 + 22", "+7", "1+1"], [23, 7, 2])
    y = LABELS.encode(train)
    assert y.shape == (3, 1 + 6)
    assert LABELS.texts(y[:, 1:]) == ["1+22", "+7", "1+1"]
    assert LABELS.decode(LABELS.certain(y), ["v"])["v"].tolist() == [23, 7, 2]
    assert LABELS.columns[:2] == ("v", "confidence") and len(LABELS.columns) == LABELS.certain(y).shape[1]


def test_what_is_shown_is_read_and_computed() -> None:
    found = LABELS.read(spelled_out(["1+22", "11", "9+9+9"]), np.array([5.0]), 0)
    assert found[:, 0].tolist() == [23, 11, 27]
    assert LABELS.texts(found[:, 2:]) == ["1+22", "11", "9+9+9"]
    assert (found[:, 1] > 0.2).all() and (found[:, 1] <= 1).all()
    assert LABELS.read(spelled_out(["1+22"]), np.array([5.0]), 1)[0, 0] == -23


def test_a_text_outside_the_grammar_gives_way_to_the_best_inside() -> None:
    shown = spelled_out(["1+"], 0.999)
    shown[0, 4] = shown[0, 4].logaddexp(torch.tensor(1e-3).log())
    shown[0, 4, LABELS.alphabet.index("3") + 1] = np.log(0.01)  # a faint 3 at the end
    found = LABELS.read(shown, np.array([5.0]), 0)
    assert LABELS.texts(found[:, 2:]) == ["1+3"]
    assert 0 < found[0, 1] < 0.1


@pytest.mark.parametrize("shown", ["+", "", "999"])
def test_what_cannot_be_read_gets_the_medians_and_no_confidence(shown: str) -> None:
    certain = spelled_out([shown], 1 - 1e-9).clamp(min=-80)
    found = LABELS.read(certain, np.array([5.0]), 0)
    assert found[0, 0] == 5 and found[0, 1] == 0 and not found[0, 2:].any()


def test_confidence_is_the_probability_of_the_text() -> None:
    shown = spelled_out(["1+2"], 0.95)
    found = LABELS.read(shown, np.array([5.0]), 0)
    assert found[0, 1] == pytest.approx(float(ctc.probability(shown, torch.from_numpy(found[:, 2:]).long())[0]))


def test_the_vote_goes_by_confidence_and_the_shown_text_is_the_surest() -> None:
    """Columns: number, confidence, text."""
    every = np.array([[[1, 0.9, 7]], [[2, 0.5, 8]], [[2, 0.6, 9]]])
    assert vote(every, np.ones(3), 1).tolist() == [[2, pytest.approx(1.1 / 3), 9]]
    assert vote(every, np.array([5.0, 1.0, 1.0]), 1).tolist() == [[1, pytest.approx(4.5 / 7), 7]]
    assert vote(every[:1], np.ones(1), 1).tolist() == [[1, 0.9, 7]]


def test_parts_that_could_not_read_a_row_have_no_vote() -> None:
    every = np.array([[[5, 0.0, 0]], [[5, 0.0, 0]], [[2, 0.3, 8]]])
    assert vote(every, np.ones(3), 1)[0, 0] == 2


def test_labels_are_saved_without_their_functions_which_come_from_the_adapter() -> None:
    plain = all_labels.to_json(LABELS)
    assert "compute" not in plain
    assert all_labels.from_json(plain).columns == LABELS.columns
    assert all_labels.from_json(plain, LABELS) == LABELS


@pytest.mark.parametrize(
    ("text", "value", "says"),
    [
        ("1+x", "1", "'1+x' has the unknown character 'x'"),
        ("1+2+3+4", "10", "'1+2+3+4' is longer than 6 characters"),
        ("1+2", "three", "column 'v': 'three' is not a number"),
        ("1+2", "100", "column 'v': '100' is not a whole number from -99 to 99"),
        ("1+2", "2.5", "column 'v': '2.5' is not a whole number from -99 to 99"),
    ],
)
def test_bad_answers_are_named_by_row(text: str, value: str, says: str) -> None:
    with pytest.raises(BadData, match=r"training row 'id1'") as caught:
        LABELS.encode(table(["1", text], [1, value]))
    assert says in str(caught.value)


def test_rows_without_a_text_or_a_number_are_blank() -> None:
    assert LABELS.blank(table(["1", " ", "2"], [1, 2, ""])).tolist() == [False, True, True]


def pictures(texts: list[str]) -> np.ndarray:
    return np.stack([rendered_text.line(text, 120, 40, 20)[..., :1] for text in texts])


def module_of(values: list[int], texts: list[str], **knobs: object) -> object:
    torch.manual_seed(0)
    images = pictures(texts)
    config = Config(model="reader", width=4, crop="ink", layout="contiguous", **knobs)
    module = registry.make(config, LABELS, images, steps=1)
    module.learn(images, np.arange(len(texts)), LABELS.encode(table(texts, values)))
    return module.eval()


def test_the_convention_is_the_one_of_the_training_rows() -> None:
    texts = ["1+2", "3", "4+4", "9"]
    assert int(module_of([3, 3, 8, 9], texts).convention) == 0
    assert int(module_of([-3, -3, -8, 9], texts).convention) == 1


def test_texts_that_do_not_belong_to_the_numbers_are_refused() -> None:
    with pytest.raises(BadData, match="75% of the training rows the text does not give the numbers v"):
        module_of([4, 7, 5, 9], ["1+2", "3", "4+4", "9"])


def test_predictions_have_their_columns_for_any_number_of_views() -> None:
    texts = ["1+2", "3", "4+4", "9"]
    for views in (1, 3):
        module = module_of([3, 3, 8, 9], texts, views=views)
        out = module.predict_step(module.gather(pictures(texts), np.arange(4)))
        assert out.shape == (4, len(LABELS.columns)) and torch.isfinite(out).all()


@pytest.mark.parametrize(("knobs", "says"), [({"model": "resnet18"}, "does not read"), ({"augment": "mixup"}, "show no text")])
def test_what_makes_no_sense_of_a_text_is_refused(knobs: dict[str, str], says: str) -> None:
    with pytest.raises(Usage, match=says):
        registry.make(Config(**{"model": "reader", **knobs}), LABELS, np.zeros((1, 40, 40, 1), np.uint8), steps=1)


def test_the_table_shows_the_least_sure_first_and_the_doubtful_are_named(tmp_path: Path) -> None:
    ids = pd.Index([f"r{i}" for i in range(3)], name="id")
    certain = LABELS.certain(LABELS.encode(table(["1+2", "3", "44"], [3, 3, 44])))
    certain[:, 1] = [0.9, 0.2, 0.7]
    test = pd.DataFrame(certain, index=ids, columns=list(LABELS.columns))
    said = readings.write(tmp_path, LABELS, test, pictures(["1+2", "3", "44"]))
    read = pd.read_csv(tmp_path / "readings.csv", dtype=str)
    assert read["id"].tolist() == ["r1", "r2", "r0"] and read["reading"].tolist() == ["3", "44", "1+2"]
    assert "1 test rows" in said and "'r1'" in said
    with Image.open(tmp_path / "readings.png") as sheet:
        assert sheet.size[0] == 3 * 310 + 10
    test["confidence"] = 0.9
    assert readings.write(tmp_path, LABELS, test, pictures(["1+2", "3", "44"])) == ""


def test_a_scatter_has_a_panel_for_each_number_and_marks_what_is_off() -> None:
    truth = np.array([[0.0, 5], [10, 5], [20, 5]])
    right, wrong = (figures.agreement(truth, truth + gap, ("v", "w")) for gap in (0, np.array([[0, 0], [5, 0], [0, 0]])))
    assert len(right.axes) == len(wrong.axes) == 2
    dots = [[axes.lines[-1].get_xydata().tolist() for axes in figure.axes] for figure in (right, wrong)]
    assert dots[0][0] != dots[1][0] and dots[0][1] == dots[1][1]
    assert [axes.get_title(loc="left") for axes in wrong.axes] == [
        "v: mean error 1.67, the largest 5", "w: mean error 0, the largest 0",
    ]  # fmt: skip
