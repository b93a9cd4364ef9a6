"""The command line: which commands there are, and how each of them ends."""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from nix_cache.cli.errors import ClientError, ExitCode
from nix_cache.cli.machine import console
from nix_cache.cli.options import Command
from nix_cache.redaction import keep_argument_secret

_CommandLineError: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for any mistake on the command line; not every release has a name for it."""

DEBUG_VARIABLE = "NIX_CACHE_DEBUG"
"""An environment variable. If it is set, an unexpected error is printed with its traceback."""

_LONGEST_MESSAGE = 300

_COMMANDS = {
    "use": ("use", "use"),
    "push": ("push", "push"),
    "exec": ("exec", "exec_command"),
    "watch-store": ("watch", "watch_store"),
    "hook": ("hook", "hook"),
    "pin": ("pin", "pin"),
    "unpin": ("pin", "unpin"),
    "pins": ("pin", "pins"),
    "doctor": ("doctor", "doctor"),
    "gc": ("gc", "gc"),
    "remove": ("remove", "remove"),
    "resign": ("resign", "resign"),
    "mirror": ("mirror", "mirror"),
    "stats": ("stats", "stats"),
    "stack": ("stack", "app"),
    "help": ("help", "help_command"),
}
"""In the order of `--help`: the folder of each command, and its function or group of commands."""

_NEEDS_ALL = frozenset({"help"})
"""A command that describes the others."""


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.out.print(f"nix-cache {version('nix-cache')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Options that every command has."""


def program(only: str | None = None) -> typer.Typer:
    """Return the command line.

    Args:
        only: the command to load; all of them if None.
    """
    app = typer.Typer(
        name="nix-cache",
        help="Use, fill and check self-hosted Nix binary caches.\n\n"
        "Run `nix-cache COMMAND --help` for the options of a command, and `nix-cache help` for the "
        "documentation.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, (folder, part) in _COMMANDS.items():
        if only not in {None, name}:
            continue
        command = getattr(importlib.import_module(f"nix_cache.cli.{folder}.command"), part)
        if isinstance(command, typer.Typer):
            app.add_typer(command)
        else:
            its_own = {"allow_interspersed_args": False} if name == "exec" else None
            app.command(name=name, cls=Command, context_settings=its_own)(command)
    return app


def _loaded(arguments: Sequence[str]) -> str | None:
    """Return the one command that a command line needs; None if it needs all of them.

    Typer reads the command line. Here it is only looked at, so that a mistake loads more than is
    needed, and changes nothing else.
    """
    first = arguments[0] if arguments else ""
    return first if first in _COMMANDS.keys() - _NEEDS_ALL else None


def run(arguments: list[str] | None = None) -> int:
    """Run one command. One that fails without an error of its own raises ``typer.Exit``.

    Args:
        arguments: the command line without the program's name; the process's own if None.

    Returns:
        the exit code.
    """
    given = sys.argv[1:] if arguments is None else arguments
    keep_argument_secret(given)
    try:
        app = program(_loaded(given))
        code = app(given or ["--help"], prog_name="nix-cache", standalone_mode=False)
    except ClientError as failure:
        console.error(failure)
        return failure.exit_code
    except console.OutputError as failure:
        console.error(f"the output cannot be written: {failure.strerror}; free some space")
        return ExitCode.FAILED
    except _CommandLineError as mistake:
        from nix_cache.cli.mistakes import explained

        console.error(explained(mistake))
        return ExitCode.FAILED if _is_of_drift(mistake, given) else ExitCode.USAGE
    except typer.Abort:
        console.error("aborted")
        return ExitCode.FAILED
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else ExitCode.FAILED
    except Exception as failure:
        return _unexpected(failure)
    if code == ExitCode.INTERRUPTED:
        console.note("Interrupted.")
    if not given:
        return ExitCode.USAGE
    return code if isinstance(code, int) else ExitCode.OK


def _unexpected(failure: Exception) -> int:
    """Print an error that no part of the client expects, without the places where it came from."""
    if os.environ.get(DEBUG_VARIABLE):
        console.err.text(traceback.format_exc())
    text = " ".join(str(failure).split())[:_LONGEST_MESSAGE]
    if isinstance(failure, OSError) and failure.strerror:
        place = f": {failure.filename}" if failure.filename else ""
        console.error(f"{failure.strerror}{place}; mend that, then run the command again")
    else:
        console.error(
            f"unexpected {type(failure).__name__}: {text or 'no message'}; please report it with "
            f"what {DEBUG_VARIABLE}=1 shows"
        )
    return ExitCode.FAILED


def _is_of_drift(mistake: Any, given: Sequence[str]) -> bool:
    """Return whether a mistake is on the command line of `stack drift`, where 2 means drift."""
    path = mistake.ctx.command_path.split()[1:] if mistake.ctx else []
    # A group that stopped at a wrong option has not read the command after it.
    further = [word for word in given if word in ("stack", "drift")]
    return path == ["stack", "drift"] or (
        path in ([], ["stack"]) and further[:2] == ["stack", "drift"]
    )
