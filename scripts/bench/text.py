"""The kit beside scikit-learn on Kaggle's word2vec-nlp-tutorial (IMDB): files to a 5-fold submission, whole processes.

    python scripts/bench/text.py --data DIR [--repeats 3]

Contenders alternate in fresh processes and use the same folds; printed are the median seconds (and CPU seconds), the
out-of-fold AUC, the peak memory of the process, and the kit's ratios.

kit:   `kit run imdb`, default preset.
nb:    CountVectorizer (binary, 1- to 3-grams, min_df 2), naive-Bayes log-count ratios, liblinear (dual, C 0.5, tol 0.01).
tfidf: TfidfVectorizer (1- and 2-grams, min_df 2, sublinear), logistic regression (liblinear).
"""

from __future__ import annotations

import io
import json
import resource
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

from contest import alternate, medians, parser

CONTENDERS = ("kit", "nb", "tfidf")
PATTERN = r"(?u)\w+|[!?]"


def kit_run(data: Path, out: Path) -> float:
    """The kit through its front door."""
    import kit

    return kit.run("imdb", data, out=out, quiet=True, fresh=True).scores["oof"]


def table(data: Path, name: str) -> Any:
    """A table as scikit-learn's users read it."""
    import pandas as pd

    with zipfile.ZipFile(data / f"{name}.zip") as archive:
        inside = next(one for one in archive.namelist() if one.endswith(".tsv"))
        return pd.read_csv(io.BytesIO(archive.read(inside)), sep="\t", escapechar="\\", dtype=str, keep_default_na=False)


def scikit_learn(kind: str, data: Path, out: Path) -> float:
    """Vectorised once for all folds (their vocabulary saw the validation texts, not their labels), as people do."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    train, test = table(data, "labeledTrainData.tsv"), table(data, "testData.tsv")
    y = train["sentiment"].astype(int).to_numpy()
    texts = [[text.replace("<br />", " ") for text in frame["review"]] for frame in (train, test)]
    if kind == "nb":
        words: Any = CountVectorizer(binary=True, ngram_range=(1, 3), min_df=2, token_pattern=PATTERN)
    else:
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=PATTERN)
    x, x_test = words.fit_transform(texts[0]).tocsr(), words.transform(texts[1]).tocsr()
    oof, answers = np.zeros(len(y)), np.zeros(len(test))
    for inside, outside in StratifiedKFold(5, shuffle=True, random_state=0).split(x, y):
        ratio = np.ones(x.shape[1])
        if kind == "nb":
            positive, negative = (np.asarray(x[inside][y[inside] == one].sum(axis=0)).ravel() + 1 for one in (1, 0))
            ratio = np.log(positive / positive.sum() / (negative / negative.sum()))
        how = {"dual": True, "C": 0.5, "tol": 1e-2} if kind == "nb" else {"C": 10.0}
        model = LogisticRegression(solver="liblinear", **how)
        model.fit(csr_matrix(x[inside].multiply(ratio)), y[inside])
        oof[outside] = model.predict_proba(csr_matrix(x[outside].multiply(ratio)))[:, 1]
        answers += model.predict_proba(csr_matrix(x_test.multiply(ratio)))[:, 1] / 5
    test[["id"]].assign(sentiment=answers).to_csv(out, index=False)
    return float(roc_auc_score(y, oof))


def main() -> None:
    """Alternate the contenders and print the medians."""
    words = parser(__doc__, CONTENDERS)
    words.add_argument("--out", type=Path)
    arguments = words.parse_args()
    if arguments.contender:
        warnings.simplefilter("ignore")
        name = arguments.contender
        score = kit_run(arguments.data, arguments.out) if name == "kit" else scikit_learn(name, arguments.data, arguments.out)
        print(json.dumps({"auc": score, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as folder:
        middle = medians(alternate(CONTENDERS, arguments.repeats, lambda name: ["--out", f"{folder}/{name}"]))
    for name, one in middle.items():
        faster, thriftier = (one[key] / middle["kit"][key] for key in ("seconds", "cpu"))
        print(
            f"{name:6} {one['seconds']:6.1f} s ({one['cpu']:.1f} of CPU)  AUC {one['auc']:.5f}  {one['mb']:5,.0f} MB"
            f"   kit: {faster:.2f}× as fast ({thriftier:.2f}× by CPU), {middle['kit']['mb'] / one['mb']:.2f}× the memory"
        )


if __name__ == "__main__":
    main()
