"""Execute the example notebooks: `python scripts/notebooks.py [NAME …] [--data DIR]` (extra `notebooks`).

Each notebook of `kernels/` is executed in an empty folder, in whose `data` it finds the files, and is stored with outputs.
DIR (else $KIT_DATA) holds a folder for each competition, named by its slug. Without NAME, the interrupt of a kernel is tried
first: the cell that was interrupted and is executed again must end with the bytes of an undisturbed one.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 200_000  # bytes of a notebook with its outputs
LIMIT = 1800  # seconds of a cell
FILES = ("oof.csv", "test.csv", "submission.csv")
RUN = "import kit\nrun = kit.run('digits', epochs=40, folds=2, out='OUT')"
MACHINE = ("the cores are shared", "only ")  # lines on how busy or small this machine was


def main() -> int:
    paths = {path.stem: path for path in sorted((ROOT / "kernels").glob("*/*.ipynb"))}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"notebooks (default: all): {', '.join(paths)}")
    parser.add_argument("--data", default=os.environ.get("KIT_DATA"), help="folder with a folder of files for each slug")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in paths]
    if unknown or not arguments.data or not Path(arguments.data).is_dir():
        parser.error(f"no notebook {unknown[0]!r}" if unknown else "--data DIR (or $KIT_DATA) names the folder with the files")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for name in [name for name in os.environ if name.startswith("KIT_") and name != "KIT_CACHE"]:
        del os.environ[name]
    faults = [] if arguments.names else interrupt()
    for name in arguments.names or paths:
        faults += stored(paths[name], Path(arguments.data))
    print("\n".join(faults) if faults else "all notebooks run through", flush=True)
    return int(bool(faults))


def stored(path: Path, data: Path) -> list[str]:
    """Execute a notebook and store it with its outputs; returns what is wrong."""
    book, began, fault = nbformat.read(path, as_version=4), time.monotonic(), ""
    with tempfile.TemporaryDirectory(prefix="kit-notebook-") as place:
        (Path(place) / "data").mkdir()
        for folder in data.resolve().iterdir():
            (Path(place) / "data" / folder.name).symlink_to(folder)
        try:
            NotebookClient(book, timeout=LIMIT, kernel_name="python3", resources={"metadata": {"path": place}}).execute()
        except CellExecutionError as error:
            fault = str(error)
        seconds = time.monotonic() - began
        made = (Path(place) / "submission.csv").exists()
    for cell in book.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = cleaned(cell.outputs)
    text = nbformat.writes(book) + "\n"
    print(f"{path.stem}: {seconds:.0f} s, {len(text):,} bytes, submission {'written' if made else 'missing'}", flush=True)
    faults = [fault] if fault else [] if made else ["no submission.csv"]
    faults += [f"{len(text):,} bytes are more than {LARGEST:,}"] if len(text) > LARGEST else []
    faults += [f"names {there}" for there in (place, str(data.resolve()), str(ROOT), sys.prefix) if there in text]
    if not faults:
        path.write_text(text, encoding="utf-8")
    return [f"{path.stem}: {one}" for one in faults]


def cleaned(outputs: list[Any]) -> list[Any]:
    """Leave of progress bars what is shown at last, and out what tells of this machine or this process alone."""
    kept: list[Any] = []
    for output in outputs:
        if kept and output["output_type"] == "stream" and kept[-1].get("name") == output["name"]:
            kept[-1]["text"] += output["text"]
        else:
            kept.append(output)
    for output in kept:
        if output["output_type"] == "stream":
            lines = [line.rpartition("\r")[2].rstrip() for line in output["text"].replace("\r\n", "\n").split("\n")]
            output["text"] = "\n".join(line for line in lines if not line.startswith(MACHINE))
        elif "text/html" in (shown := output.get("data", {})) and " at 0x" in shown.get("text/plain", ""):
            del shown["text/plain"]
    return [output for output in kept if output.get("text") != ""]


def interrupt() -> list[str]:
    """Interrupt a kernel in the middle of a run, execute the cell again, and compare with an undisturbed run."""
    with tempfile.TemporaryDirectory(prefix="kit-notebook-") as place:
        manager, client = start_new_kernel(kernel_name="python3", cwd=place)
        try:
            answer(client, client.execute(RUN.replace("OUT", "whole")))
            message = client.execute(RUN.replace("OUT", "stopped"))
            while not list(Path(place).glob("stopped/fold1/*")):
                time.sleep(0.02)
            manager.interrupt_kernel()
            said = "\n".join(answer(client, message).get("traceback", []))
            again = answer(client, client.execute(RUN.replace("OUT", "stopped")))["status"]
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
        ways = [[(Path(place) / way / name).read_bytes() for name in FILES] for way in ("whole", "stopped")]
    same = again == "ok" and ways[0] == ways[1]
    clean = re.fullmatch(r"kit: stopped by SIGINT; [^\n]*", said)
    print(f"interrupted: {said!r}; executed again: {'the same bytes' if same else 'other bytes'}", flush=True)
    return ([] if clean else ["an interrupted cell shows more than one line"]) + ([] if same else ["the bytes differ"])


def answer(client: BlockingKernelClient, message: str) -> dict[str, Any]:
    """A kernel's reply to the code of this message, once it is executed."""
    while True:
        reply = client.get_shell_msg(timeout=LIMIT)
        if reply["parent_header"].get("msg_id") == message:
            return reply["content"]


if __name__ == "__main__":
    sys.exit(main())
