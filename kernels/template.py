# %% [markdown]
# # {{title}}
#
# {{what}}
#
# Made by `kit kernel build {{name}}` of the Kaggle baseline kit {{version}} ({{commit}}): edit the kit, not this file.
# It runs without internet, on mounted files alone. The kit's source is packed in the next cell: {{count}} files,
# sha256 `{{checksum}}`. To read it: `python {{script}} --unpack FOLDER`.

# %%
SETTINGS = {{settings}}
CHECKSUM = "{{checksum}}"
PACKED = """
{{packed}}
"""

# %%
import base64
import hashlib
import io
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path


def unpack(folder: Path) -> Path:
    """The kit's source in a folder, as it was packed: its checksum is compared first."""
    data = base64.b85decode("".join(PACKED.split()))
    found = hashlib.sha256(data).hexdigest()
    if found != CHECKSUM:
        raise SystemExit(f"the packed source is damaged: sha256 {found} instead of {CHECKSUM}. Build the kernel again.")
    with zipfile.ZipFile(io.BytesIO(zlib.decompress(data))) as archive:
        archive.extractall(folder)
    return folder


if "--unpack" in sys.argv:
    print(unpack(Path(sys.argv[-1])))
    sys.exit()
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
source = unpack(Path(tempfile.mkdtemp(prefix="kit-")))
sys.path.insert(0, str(source))
import kit
from kit import competition
from kit.kaggle import bundle
from kit.reporting import notebook

assert Path(kit.__file__).is_relative_to(source), f"another kit is in the way: {kit.__file__}"
data = competition.load(SETTINGS["name"]).competition.find()
files = bundle.find(SETTINGS["attached"]) if SETTINGS["attached"] else None
if SETTINGS.get("extra"):
    os.environ["KIT_EXTRA"] = str(files / "extra")
print(f"data in {data}, {kit.__version__} {SETTINGS['commit']}, rerun {bool(os.environ.get('KAGGLE_IS_COMPETITION_RERUN'))}")

# %%
if SETTINGS["mode"] == "train":
    knobs = {name: str(files / value[1:]) if str(value).startswith("@") else value for name, value in SETTINGS["knobs"].items()}
    run = kit.run(SETTINGS["name"], data, SETTINGS["preset"], out="run", **knobs)
    answers, made = run.test, run.submission
else:
    run = kit.load(files / "run")
    answers, made = kit.predict(run, data, SETTINGS["views"], "predict", SETTINGS["time_budget"])
shutil.copyfile(made, "submission.csv")
print(f"submission.csv: {len(answers):,} rows")

# %%
notebook.table(run)

# %%
notebook.curves(run, Path("curves.png"))

# %%
notebook.pictures(run, data, answers, Path("pictures.png"))
