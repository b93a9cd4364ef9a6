"""The commands behind `make`: reads the command line, and tells what went wrong."""

import argparse
import importlib
import sys
from pathlib import Path

from dev.errors import DevError
from dev.place import STACK, Place
from nix_cache import terminal
from nix_cache.cli.machine import console
from nix_cache.storage.minio_connection import MinioServerError
from toolchain.errors import ToolchainError

_LOCAL = {
    "up": "start the local server and bring the stack up",
    "preview": "show what `up` would do",
    "down": "remove the stack and all that it and its server kept",
    "status": "tell what runs, and what it is made of",
    "env": "print the environment for a shell",
}
"""The commands of ``dev.local``: a program on another backend has not what that imports."""

_ON_ANY_STACK = {
    "drift": "tell what was changed outside: exits 0, or 2 if there is something",
    "repair": "tell it, and put it back",
    "renew": "make one user anew, whose credential somebody else has",
}
"""The commands of ``dev.on_stacks``."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in _LOCAL.items():
        commands.add_parser(name, help=what)
    for name, what in _ON_ANY_STACK.items():
        own = commands.add_parser(name, help=what)
        own.add_argument("--stack", default=STACK, help="the stack (default: %(default)s)")
        if name == "drift":
            own.add_argument("--json", action="store_true", help="print the result for programs")
        else:
            own.add_argument("--yes", action="store_true", help="do not ask")
        if name == "renew":
            own.add_argument("--user", required=True, help="the user's name on the server")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    place = Place(Path.cwd())
    try:
        if options.command in _ON_ANY_STACK:
            command = getattr(importlib.import_module("dev.on_stacks"), options.command)
            return int(command(place, options))
        getattr(importlib.import_module("dev.local"), options.command)(place)
    except (DevError, MinioServerError, ToolchainError) as failure:
        console.error(failure, lines=True)
        return 1
    except KeyboardInterrupt:
        console.error("interrupted; run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    terminal.protect()
    sys.exit(main())
