"""Kernel: a folder to push to Kaggle: one code file with the kit's source inside, its metadata, a dataset beside it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit import competition as competitions, config as configs
from kit.errors import Usage, did_you_mean
from kit.kaggle import bundle, credentials, dataset as datasets, kernel_source
from kit.storage import environment, files, run_folder, weights
from kit.storage.run_folder import Run, read_json, write_json
from kit.storage.runs import blend_members

OWNER = "OWNER"  # stands in the metadata until the credentials tell
METADATA = "kernel-metadata.json"
MACHINE = "NvidiaTeslaT4"  # two of them: Kaggle's default GPU
FIELDS: dict[str, Any] = {
    "id": "",
    "title": "",
    "code_file": "",
    "language": "python",
    "kernel_type": "script",
    "is_private": True,
    "enable_gpu": True,
    "enable_tpu": False,
    "enable_internet": False,
    "machine_shape": MACHINE,
    "keywords": [],
    "dataset_sources": [],
    "competition_sources": [],
    "kernel_sources": [],
    "model_sources": [],
    "docker_image_pinning_type": "original",
}


@dataclass(frozen=True)
class Built:
    """A built kernel's folder."""

    folder: Path

    @property
    def metadata(self) -> dict[str, Any]:
        """`kernel-metadata.json`, whose title and slug agree. Raises Usage where there is none, or they do not."""
        path = self.folder / METADATA
        if not path.exists():
            raise Usage(f"{self.folder}: no kernel here. Make one with `kit kernel build`.")
        facts = read_json(path)
        check_title(facts, path)
        return facts

    @property
    def code(self) -> Path:
        """The code file."""
        return self.folder / self.metadata["code_file"]

    @property
    def settings(self) -> dict[str, Any]:
        """What the kernel was built to do: see `kernels/template.py`."""
        return read_json(self.folder / "settings.json")

    @property
    def dataset(self) -> Path | None:
        """The folder of the dataset that goes with it."""
        return self.folder / "dataset" if (self.folder / "dataset").exists() else None


def folder_of(name: str) -> Path:
    """Where a competition's kernel is built."""
    return Path("runs") / competitions.load(name).name / "kernel"


def build(
    name: str,
    run: Run | None = None,
    mode: str | None = None,
    *,
    preset: str = "fast",
    knobs: Mapping[str, Any] | None = None,
    notebook: bool | Path = False,
    views: int | None = None,
    time_budget: float | None = None,
    out: Path | None = None,
) -> Built:
    """Lay a kernel out. `mode`: "infer" by a run's checkpoints (the default where a run is given), or "train".

    A kernel that trains has the knobs of the run or, where none is given, of the `preset`; `knobs` are changed besides.
    `notebook`: instead of a script; a file: this notebook, with the kit in front of it, which states all that it does itself.
    A blend predicts by its runs, which go along. Raises Usage for a run that is not complete or of another competition, for a
    blend of which a member is no run, and for what would need the internet.
    """
    adapter = competitions.load(name)
    own = None if isinstance(notebook, bool) else notebook
    if own and (run or mode == "infer" or knobs):
        raise Usage(f"--code-file {own}: this notebook states what is trained. Leave out --run, --infer and knobs.")
    mode = mode or ("infer" if run else "train")
    if mode == "infer" and run is None:
        raise Usage("kit kernel build --infer needs --run RUN: which checkpoints are to predict?")
    if run:
        _refuse_run(run, adapter, mode)
        preset = run.record.preset
    if (knobs or {}).get("kept_back") or (run and run.record.config.get("kept_back")):
        raise Usage("--kept-back: training rows are the test there, so that no kernel can answer the competition's own.")
    settings: dict[str, Any] = {
        "name": adapter.name, "mode": mode, "preset": preset, "knobs": {}, "views": views, "time_budget": time_budget,
        "attached": "", "run": str(run.path) if run else "", "commit": environment.commit() or "unknown",
    }  # fmt: skip
    parts: bundle.Parts = {"run": run.path} if run and mode == "infer" else {}
    if mode == "train":
        settings["knobs"], parts = _knobs(adapter, run, preset, knobs or {})
        settings["extra"] = "extra" in parts
    facts = _metadata(adapter, bool(notebook), own.parent if own else None)
    built = Built(out or folder_of(name))
    settings["attached"] = _attach(built, parts, facts, f"Kit {adapter.name} {run.path.name if run else 'weights'}")
    text = kernel_source.code(facts, settings, kernel_source.packed(adapter))
    if notebook:
        text = kernel_source.around(text, own) if own else kernel_source.notebook(text)
    files.write(built.folder / facts["code_file"], text)
    write_json(built.folder / "settings.json", settings)
    write_json(built.folder / METADATA, facts)
    return built


def _attach(built: Built, parts: bundle.Parts, facts: dict[str, Any], title: str) -> str:
    """Lay out the dataset of these parts and name it in the kernel's metadata; returns its identity, "" for no parts."""
    folder = built.folder / "dataset"
    if not parts:
        shutil.rmtree(folder, ignore_errors=True)  # an earlier kernel's
        return ""
    identity = bundle.lay_out(parts, folder)
    title = title[:50].strip()
    dataset = datasets.describe(folder, facts["id"].partition("/")[0], title, slugify(title))
    facts["dataset_sources"] = [*facts["dataset_sources"], dataset]
    return identity


def _refuse_run(run: Run, adapter: competitions.Adapter, mode: str) -> None:
    """Also for what a run that is a blend predicts with."""
    record = run.finished().record
    if record.name != adapter.name:
        raise Usage(f"{run.path} is a run of {record.name}, not of {adapter.name}.")
    if record.is_blend and mode == "train":
        raise Usage(f"--train: {run.path} is a blend, which trains nothing. Leave --train out to predict with its runs.")
    for one in blend_members.runs(run) if record.is_blend else []:
        _refuse_run(one, adapter, mode)
    if record.study and adapter.competition.code:
        raise Usage(f"{run.path}: made by kit.study, so it has no models for the hidden test rows of a code competition.")


def _knobs(
    adapter: competitions.Adapter, run: Run | None, preset: str, knobs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Path | list[Path]]]:
    """The knobs of the training, and the files that go with it (their knobs then begin with @).

    Of a run they are all material ones; else those that are given: the kernel finds the others as `kit run` does, where a
    model may take a recipe in place of the preset's.
    """
    before = configs.Config.of(run.record.config) if run else adapter.preset(preset, knobs)
    config = before.changed(**knobs)
    if config.weights == weights.HUB:
        raise Usage(
            "--weights hub needs the internet, which a kernel has not: name a file, folder or package, which is attached "
            "(`kit weights` lists them)."
        )
    chosen = {key: value for key, value in config.json().items() if key in knobs or (run and key not in configs.IMMATERIAL)}
    if config.decide == "auto":
        chosen.pop("decide", None)  # the default; who names it is refused where no decision is known
    parts: dict[str, Path | list[Path]] = {}
    if adapter.competition.extra and config.extra_weight:
        parts["extra"] = _extra(adapter.competition, run)
    if config.weights and not config.weights.startswith("/kaggle/"):
        try:
            path = weights.find(config.weights)
        except Usage as fault:
            raise Usage(f"{fault}\nWhat only Kaggle has is named by its path there: --weights /kaggle/input/….") from fault
        parts["weights"], chosen["weights"] = path, f"@weights/{path.name}" if path.is_file() else "@weights"
    if config.folds_from:
        place = Path(config.folds_from)
        parts["folds"] = file = place / "folds.csv" if place.is_dir() else place
        chosen["folds_from"] = f"@folds/{file.name}"
        chosen.pop("folds", None)  # as many as the file has
    if config.pseudo and config.pseudo_weight:
        raise Usage("--pseudo: a run's predictions are not attached to a kernel: build it with --infer, or --pseudo-weight 0.")
    if config.pseudo:
        chosen["pseudo"] = ""
    if config.from_run:
        parts["from"], chosen["from_run"] = run_folder.load(config.from_run).path, "@from"
    return chosen, parts


def _extra(facts: competitions.Competition, run: Run | None) -> list[Path]:
    """The tables of extra rows, which Kaggle does not mount. Raises Usage for rows that are made of names of pictures."""
    if "{" in competitions.first_of(facts.extra):
        raise Usage(
            "the extra rows are pictures, which are not attached to a kernel: build it with --infer, or --extra-weight 0."
        )
    known = run.record.root if run and Path(run.record.root).is_dir() else None
    return facts.extra_files(facts.find(known))


def _metadata(adapter: competitions.Adapter, notebook: bool, beside: Path | None) -> dict[str, Any]:
    """Every field, from a `kernel-metadata.json` where it says one, else as a kernel needs it.

    That of the folder `beside` (a notebook's), or of `kernels/NAME/`.
    """
    slug = adapter.competition.slug
    facts = FIELDS | {"title": f"Kit {slug}"[:50], "competition_sources": [slug]}
    usual = [place / adapter.name for place in (Path("kernels"), kernel_source.ROOT / "kernels")]
    for place in [*([beside] if beside else []), *usual]:
        path = place / METADATA
        if path.exists():
            stated = read_json(path)
            for field in stated:
                if field not in FIELDS:
                    raise Usage(f"{path}: unknown field {field!r}.{did_you_mean(field, FIELDS)}")
            facts |= stated
            break
    owner, _, slug = facts["id"].rpartition("/")
    slug = slug or slugify(facts["title"])
    owner = owner if owner not in ("", OWNER) else credentials.username() or OWNER
    kind = {"kernel_type": "notebook", "code_file": f"{slug}.ipynb"} if notebook else {"code_file": f"{slug}.py"}
    facts |= {"id": f"{owner}/{slug}", "kernel_type": "script", **kind}
    check_title(facts, Path("kernels") / adapter.name / METADATA)
    return facts


def slugify(title: str) -> str:
    """A title as Kaggle makes a slug of it."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def check_title(facts: Mapping[str, Any], path: Path) -> None:
    """Raise Usage where Kaggle would make a kernel of another name than the metadata says."""
    slug = facts["id"].rpartition("/")[2]
    if slugify(facts["title"]) != slug:
        raise Usage(
            f"{path}: the title {facts['title']!r} makes the slug {slugify(facts['title'])!r}, and the id says {slug!r}.\n"
            "Kaggle would make another kernel at every push: let them agree."
        )
    if not 5 <= len(facts["title"]) <= 50:
        raise Usage(f"{path}: the title {facts['title']!r} must have 5 to 50 characters.")
