"""Runs poppler's programs with limits on CPU time and output, and turns their failures into typed errors.

Poppler takes passwords only on the command line, where other processes of the same pod can see them.
"""

import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from training.documents.quarantine import DocumentError, Reason
from training.errors import ConfigError
from training.process.limits import cpu_seconds

PROGRAM_TIMEOUT_S = 60  # of CPU time
# The last resort, for a program that waits for ever: a busy machine must not make it a document's fault.
WALL_S_PER_CPU_S = 30
SHORTEST_WAIT_S = 0.05
MAX_ANSWER_BYTES = 32 << 20  # twenty pages of text have one MiB
MAX_COMPLAINT_BYTES = 10_000  # only the end of a program's error output is read
# PDFs may use these fonts without embedding them, and fonts for these languages; poppler then draws with a font of this
# machine.
_STANDARD_FONTS = ("Helvetica", "Times", "Courier", "Symbol", "ZapfDingbats")
_LANGUAGES = (":lang=zh-cn", ":lang=zh-tw", ":lang=ja", ":lang=ko")  # as fontconfig writes them


@dataclass(frozen=True)
class PdfFile:
    """A PDF on this machine and the password that opens it, if it needs one."""

    path: Path
    password: str | None = field(default=None, repr=False)

    @property
    def password_options(self) -> list[str]:
        """The password as options of a poppler program."""
        return [] if self.password is None else ["-upw", self.password]


class Program(subprocess.Popen[bytes]):
    """A program whose timeouts are in seconds of CPU time, so that they do not depend on what else the machine does."""

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[Any, Any]:  # noqa: A002
        """Waits until it ends. Raises TimeoutExpired if it takes more CPU time, or WALL_S_PER_CPU_S times as long."""
        if timeout is None:
            return super().communicate(input)
        give_up_s = time.monotonic() + timeout * WALL_S_PER_CPU_S
        unused_s = timeout
        while unused_s > 0 and time.monotonic() < give_up_s:
            try:
                return super().communicate(input, max(unused_s, SHORTEST_WAIT_S))
            except subprocess.TimeoutExpired:
                unused_s = timeout - cpu_seconds(self.pid)
        raise subprocess.TimeoutExpired(self.args, timeout)


@cache
def renderer_id() -> str:
    """Identifies what decides a page's bytes besides the PDF: poppler's version and its substitutes for missing fonts.

    Raises ConfigError if poppler is not installed.
    """
    try:
        answer = subprocess.run(["pdftoppm", "-v"], capture_output=True, timeout=PROGRAM_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise _not_installed() from None
    found = re.search(rb"version (\S+)", answer.stderr + answer.stdout)
    version = found[1].decode() if found else "unknown"
    fonts = ", ".join(_substitute(name) for name in (*_STANDARD_FONTS, *_LANGUAGES))
    return f"pdftoppm {version}; fonts {fonts}"


def run_poppler(command: list[str], pdf: PdfFile, *, timeout_s: float) -> bytes:
    """Runs a poppler program and returns what it prints. `command` has all arguments except the password; `timeout_s`
    is in seconds of CPU time.

    Raises DocumentError (encrypted, corrupt, too_large, timeout), and ConfigError if poppler is not installed.
    """
    return run_program([command[0], *pdf.password_options, *command[1:]], pdf, timeout_s=timeout_s)


def run_program(command: list[str], pdf: PdfFile, *, timeout_s: float) -> bytes:
    """Like `run_poppler`, for a program that takes the password in another way; `command` has all arguments."""
    # Into files, since a hostile PDF can make a program print enough to fill the memory.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        try:
            exit_code = _run(command, timeout_s, stdout=output, stderr=complaints)
        except subprocess.TimeoutExpired:  # holds the command with the password, so it is not chained
            message = (
                f"{command[0]} did not finish in {timeout_s:g} s of CPU time; simplify the PDF or raise --page_timeout."
            )
        else:
            if exit_code != 0:
                complaints.seek(max(0, complaints.tell() - MAX_COMPLAINT_BYTES))
                raise _explain(exit_code, complaints.read(), pdf)
            if output.tell() > MAX_ANSWER_BYTES:
                raise DocumentError(
                    Reason.TOO_LARGE, f"{command[0]} printed over {MAX_ANSWER_BYTES >> 20} MiB; split the PDF."
                )
            output.seek(0)
            return output.read()
    raise DocumentError(Reason.TIMEOUT, message)


def _run(command: list[str], timeout_s: float, **files: Any) -> int:
    """Runs a program to its end, or kills it; returns its exit code. Raises what `Program.communicate` raises."""
    try:
        program = Program(command, **files)
    except FileNotFoundError:
        raise _not_installed() from None
    with program:
        try:
            program.communicate(timeout=timeout_s)
        except BaseException:
            program.kill()
            raise
    return program.returncode


def _explain(exit_code: int, complaints: bytes, pdf: PdfFile) -> DocumentError:
    """The typed error for a poppler program that failed."""
    complaint = complaints.decode("utf-8", errors="replace")
    if "Incorrect password" in complaint or "encrypted" in complaint.lower():
        if pdf.password is None:
            return DocumentError(
                Reason.ENCRYPTED, "The PDF asks for a password; save it without one, or name it in --passwords."
            )
        return DocumentError(Reason.ENCRYPTED, "The given password does not open the PDF; correct it in --passwords.")
    if exit_code < 0 or "Out of memory" in complaint or "bad_alloc" in complaint:
        return DocumentError(
            Reason.TOO_LARGE, "The PDF takes more memory or disk than a document may; simplify it or lower --dpi."
        )
    if "Wrong page range given" in complaint:
        return DocumentError(Reason.CORRUPT, "The PDF has no pages; export it again.")
    last_line = complaint.strip().rpartition("\n")[2]
    return DocumentError(Reason.CORRUPT, f"The PDF cannot be read ({last_line}); export it again.")


def run_fontconfig(command: list[str]) -> str | None:
    """What a program of fontconfig prints, or None if it is not installed."""
    try:
        answer = subprocess.run(command, capture_output=True, timeout=PROGRAM_TIMEOUT_S, check=False)
    except FileNotFoundError:
        return None
    return answer.stdout.decode("utf-8", errors="replace")


def _substitute(name: str) -> str:
    file = run_fontconfig(["fc-match", "--format", "%{file}", name])
    return "unknown" if file is None else Path(file).name


def _not_installed() -> ConfigError:
    return ConfigError("poppler is not installed; install the package poppler-utils.")
