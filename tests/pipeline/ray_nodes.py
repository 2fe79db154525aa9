"""Ray nodes on this machine, each a group of processes of its own that can be killed as a machine dies."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STORE = 100_000_000  # bytes of shared memory for the objects of a node


class Nodes:
    """A head that trains nothing, and further nodes of one core each. `address`: what RAY_ADDRESS says."""

    def __init__(self) -> None:
        self.port, self.client = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.folder = tempfile.mkdtemp(prefix="kit-ray-")  # short: names of sockets have 107 bytes at most
        self.processes: list[subprocess.Popen[bytes]] = []
        self.head = self.start(
            "--head",
            "--num-cpus",
            0,
            "--include-dashboard=false",
            "--port",
            self.port,
            "--ray-client-server-port",
            self.client,
            "--temp-dir",
            self.folder,
        )

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """Start a node."""
        fixed = ("--block", "--object-store-memory", STORE, "--disable-usage-stats")
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *map(str, (*fixed, *words))]
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env=bare()
        )
        self.processes.append(process)
        return process

    def answers(self) -> bool:
        """Does the head accept connections, with its object store? Raises RuntimeError where it has ended.

        A node that joins before is given the same socket for its store by Ray 2.50, and one of the two dies of it.
        """
        if self.head.poll() is not None:
            raise RuntimeError("ray start has ended")
        if not Path(self.folder, "session_latest", "sockets", "plasma_store").exists():
            return False
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def join(self) -> subprocess.Popen[bytes]:
        """Start a node that joins the head."""
        own = f"127.0.0.{len(self.processes) + 1}"  # else a program on this machine may take it for its own node
        return self.start("--address", self.address, "--num-cpus", 1, "--node-ip-address", own)

    def kill(self, node: subprocess.Popen[bytes], sent: signal.Signals = signal.SIGKILL) -> None:
        """What a power cut does (or, with SIGSTOP, a cable that is pulled out)."""
        with suppress(ProcessLookupError):
            os.killpg(node.pid, sent)

    def close(self) -> None:
        """End all of them."""
        for node in reversed(self.processes):
            self.kill(node)
            node.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def nodes(further: int = 1) -> Iterator[Nodes]:
    """A cluster of a head and so many further nodes, which may join a little later."""
    here = Nodes()
    try:
        while not here.answers():
            time.sleep(0.1)
        for _ in range(further):
            here.join()
        yield here
    finally:
        here.close()


def bare() -> dict[str, str]:
    """The environment without what would show the nodes where the kit is."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
