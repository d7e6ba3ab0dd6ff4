"""Runs poppler's programs with limits on time and output, and turns their failures into typed errors.

Poppler takes passwords only on the command line, where other processes of the same pod can see them.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from training.documents.quarantine import DocumentError, Reason
from training.errors import ConfigError

PROGRAM_TIMEOUT_S = 60
MAX_ANSWER_BYTES = 32 << 20  # twenty pages of text have one MiB
MAX_COMPLAINT_BYTES = 10_000  # only the end of a program's error output is read
# PDFs may use these fonts without embedding them; poppler then draws with a font of this machine.
_STANDARD_FONTS = ("Helvetica", "Times", "Courier", "Symbol", "ZapfDingbats")


@dataclass(frozen=True)
class PdfFile:
    """A PDF on this machine and the password that opens it, if it needs one."""

    path: Path
    password: str | None = field(default=None, repr=False)

    @property
    def password_options(self) -> list[str]:
        """The password as options of a poppler program."""
        return [] if self.password is None else ["-upw", self.password]


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
    return f"pdftoppm {version}; fonts {', '.join(_substitute(name) for name in _STANDARD_FONTS)}"


def run_poppler(command: list[str], pdf: PdfFile, *, timeout_s: float) -> bytes:
    """Runs a poppler program and returns what it prints. `command` has all arguments except the password.

    Raises DocumentError (encrypted, corrupt, too_large, timeout), and ConfigError if poppler is not installed.
    """
    return run_program([command[0], *pdf.password_options, *command[1:]], pdf, timeout_s=timeout_s)


def run_program(command: list[str], pdf: PdfFile, *, timeout_s: float) -> bytes:
    """Like `run_poppler`, for a program that takes the password in another way; `command` has all arguments."""
    # Into files, since a hostile PDF can make a program print enough to fill the memory.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        try:
            answer = subprocess.run(command, stdout=output, stderr=complaints, timeout=timeout_s, check=False)
        except FileNotFoundError:
            raise _not_installed() from None
        except subprocess.TimeoutExpired:  # holds the command with the password, so it is not chained
            message = f"{command[0]} did not finish in {timeout_s:g} s; simplify the PDF or raise --page_timeout."
        else:
            if answer.returncode != 0:
                complaints.seek(max(0, complaints.tell() - MAX_COMPLAINT_BYTES))
                raise _explain(answer.returncode, complaints.read(), pdf)
            if output.tell() > MAX_ANSWER_BYTES:
                raise DocumentError(
                    Reason.TOO_LARGE, f"{command[0]} printed over {MAX_ANSWER_BYTES >> 20} MiB; split the PDF."
                )
            output.seek(0)
            return output.read()
    raise DocumentError(Reason.TIMEOUT, message)


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
    last_line = complaint.strip().rpartition("\n")[2]
    return DocumentError(Reason.CORRUPT, f"The PDF cannot be read ({last_line}); export it again.")


def _substitute(name: str) -> str:
    try:
        answer = subprocess.run(
            ["fc-match", "--format", "%{file}", name], capture_output=True, timeout=PROGRAM_TIMEOUT_S, check=False
        )
    except FileNotFoundError:
        return "unknown"
    return Path(answer.stdout.decode("utf-8", errors="replace")).name


def _not_installed() -> ConfigError:
    return ConfigError("poppler is not installed; install the package poppler-utils.")
