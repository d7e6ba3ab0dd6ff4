"""Runs one command and says what it took: wall time, CPU time by part, peak memory, of all processes that it started.

`measure` starts this file as a program of its own, because only the parent of all that a command leaves behind can add
up their CPU time: it makes itself the reaper of orphans, which Python's fork server and its children become.
"""

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
KCMP_NUMBERS = {"x86_64": 312, "aarch64": 272}  # of the system call; the C library has no function for it
KCMP_VM = 1  # linux/kcmp.h
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CPU_INTERVAL_S = 0.2  # seldom, so that watching costs nothing
MEMORY_INTERVAL_S = 0.05
RENDERERS = ("pdftoppm", "pdftotext", "pdfinfo")

_LIBRARY = ctypes.CDLL(None)


class CommandError(Exception):
    """The measured command did not exit with 0; the message ends with what it printed."""


@dataclass(frozen=True)
class Usage:
    """What a command took. `peak_bytes` is 0 where memory was not watched.

    `cpu_s` is user and system time of all processes. `parts_s` divides it up by kind of process, from samples: a
    process's last fifth of a second may be missing.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int = 0
    parts_s: Mapping[str, float] = field(default_factory=dict)


def measure(command: Sequence[str], environment: Mapping[str, str], *, watch_memory: bool = False) -> Usage:
    """Runs `command` to its end. Raises CommandError."""
    with tempfile.TemporaryDirectory(prefix="bench-measure-") as folder:
        result, log = Path(folder) / "result.json", Path(folder) / "log"
        program = [sys.executable, "-I", __file__, str(result), *(["--memory"] if watch_memory else []), "--", *command]
        with log.open("wb") as output:
            code = subprocess.run(program, env=dict(environment), stdout=output, stderr=output, check=False).returncode
        if code:
            printed = log.read_text(errors="replace")[-3000:]
            raise CommandError(f"{' '.join(command)[:500]} exited with {code}:\n{printed}")
        return Usage(**json.loads(result.read_text()))


def cpu_seconds(pid: int) -> tuple[float, float]:
    """User and system time of a process so far, and that of its children that have ended."""
    # The name, in brackets, may hold anything; what follows is fields 3 and later of proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, children = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return own / TICKS_PER_S, children / TICKS_PER_S


def sum_parts(samples: Mapping[int, tuple[str, float, float]], root: int, total_s: float) -> dict[str, float]:
    """Divides CPU time up: each process's name, own time and its ended children's time by pid, as last seen.

    Poppler's programs live too briefly to be seen; their time is that of the ended children of those that start them.
    """
    parts = {"main process": 0.0, "worker processes": 0.0, "poppler": 0.0}
    for pid, (name, own_s, children_s) in samples.items():
        if name in RENDERERS:
            continue
        if pid == root:
            parts["main process"] += own_s
        else:
            parts["worker processes"] += own_s
        # A process that starts no other Python: its ended children are poppler's. The fork server's are workers.
        if name != "fork server":
            parts["poppler"] += children_s
    parts["not seen"] = max(0.0, total_s - sum(parts.values()))
    return parts


def process_tree(root: int) -> Iterator[int]:
    """The process and its living descendants."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (thread / "children").read_text().split()]
        except OSError:
            continue  # it has ended meanwhile


class _Watch:
    """Looks at the tree of processes again and again."""

    def __init__(self, root: int, *, memory: bool) -> None:
        self._root = root
        self._memory = memory
        self.samples: dict[int, tuple[str, float, float]] = {}
        self.peak_bytes = 0

    def look(self) -> None:
        total = 0
        for pid in process_tree(self._root):
            try:
                if pid != self._root and _shares_memory(pid, _parent(pid)):
                    continue  # about to become another program: until then it is its parent seen twice
                if self._memory:
                    total += _proportional_bytes(pid)
                else:
                    self.samples[pid] = (_name(pid), *cpu_seconds(pid))
            except (OSError, IndexError):
                continue  # it has ended meanwhile
        self.peak_bytes = max(self.peak_bytes, total)


def _shares_memory(first: int, second: int) -> bool:
    """Whether two processes have one address space, as between vfork and exec."""
    return bool(_LIBRARY.syscall(KCMP_NUMBERS[platform.machine()], first, second, KCMP_VM, 0, 0) == 0)


def _proportional_bytes(pid: int) -> int:
    """PSS: a page that several processes share counts once in their sum."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _name(pid: int) -> str:
    if _is_of_fork_server(pid):
        # Its children, the workers, keep its command line.
        return "worker" if _is_of_fork_server(_parent(pid)) else "fork server"
    return Path(os.fsdecode(_command_line(pid).partition(b"\0")[0])).name


def _is_of_fork_server(pid: int) -> bool:
    return b"multiprocessing.forkserver" in _command_line(pid)


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    _LIBRARY.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    interval_s = MEMORY_INTERVAL_S if options.memory else CPU_INTERVAL_S
    started = time.monotonic()
    process = subprocess.Popen(options.command, stdin=subprocess.DEVNULL)
    watch = _Watch(process.pid, memory=options.memory)
    while True:
        try:
            code = process.wait(interval_s)
            break
        except subprocess.TimeoutExpired:
            watch.look()
    wall_s = time.monotonic() - started
    while True:
        try:
            os.wait()  # what it left behind
        except ChildProcessError:
            break
    times = os.times()
    cpu_s = times.children_user + times.children_system
    usage = Usage(wall_s, cpu_s, watch.peak_bytes, sum_parts(watch.samples, process.pid, cpu_s))
    options.result.write_text(json.dumps(asdict(usage)))
    return code


if __name__ == "__main__":
    sys.exit(main())
