"""`python3 -m training.annotations COMMAND ...`: what people do with annotations besides training."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from training.annotations.importers import command as importers
from training.annotations.schema import command as schema
from training.annotations.tools import export_command, import_command
from training.annotations.validate import command as validate
from training.errors import ConfigError
from training.process.exit import run_command
from training.process.signals import StopRequest

PROG = "python3 -m training.annotations"
STOP_DEADLINE_S = 5.0


@dataclass(frozen=True)
class Command:
    """One of the commands: what it does in a few words, and the function that runs it with its arguments."""

    summary: str
    run: Callable[[Sequence[str]], None]


COMMANDS: Mapping[str, Command] = {
    "validate": Command("says all that is wrong with documents, without drawing a page", validate.run),
    "schema": Command("prints the JSON Schema of an annotation format", schema.run),
    "convert": Command("makes documents of annotations in other formats", importers.run),
    "export": Command("a dataset's labels, as files that a correction tool imports", export_command.run),
    "import": Command("what a correction tool exports, as the dataset's labels", import_command.run),
}


def usage(commands: Mapping[str, Command] = COMMANDS) -> str:
    """The list of the commands."""
    width = max((len(name) for name in commands), default=0)
    lines = (f"  {name:{width}}  {command.summary}" for name, command in commands.items())
    return "\n".join([f"usage: {PROG} COMMAND ...", "", *lines, "", f"`{PROG} COMMAND --help` lists its options."])


def run(arguments: Sequence[str], commands: Mapping[str, Command] = COMMANDS) -> None:
    """Runs the command that `arguments` begin with. Raises ConfigError if there is none, and what the command does."""
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(usage(commands))
        return
    if name not in commands:
        raise ConfigError(f"{name!r} is no command; choose one of {', '.join(commands)}.")
    commands[name].run(arguments[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    with StopRequest(deadline_s=STOP_DEADLINE_S, on_failure=lambda _: None):
        return run_command(lambda: run(sys.argv[1:] if arguments is None else arguments))
