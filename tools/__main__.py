"""The commands behind `make`: reads the command line, and reports what went wrong."""

import argparse
import importlib
import sys
from pathlib import Path

from nix_cache import terminal
from nix_cache.backends.minio.connection import MinioServerError
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console
from tools.errors import ToolError
from tools.place import STACK, ClonePlace

_LOCAL = {
    "up": "start the local server and bring the stack up",
    "preview": "show what `up` would do",
    "down": "remove the stack and all that it and its server kept",
    "status": "show what runs, and what it is made of",
    "env": "print the environment for a shell",
}
"""The commands of ``tools.local``: a program on another backend has not what that imports."""

_ON_ANY_STACK = ("drift", "repair", "renew")
"""The commands of ``nix-cache stack`` that are run with the clone's engine."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in _LOCAL.items():
        commands.add_parser(name, help=what)
    for name in _ON_ANY_STACK:
        own = commands.add_parser(name, help=f"run `nix-cache stack {name}`")
        own.add_argument("--stack", default=STACK, help="the stack (default: %(default)s)")
    commands.add_parser("verify", help="run `nix-cache stack verify BACKEND`").add_argument(
        "backend"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options, further = _parser().parse_known_args(arguments)
    if further and options.command in _LOCAL:
        console.error(f"unknown argument {further[0]!r}; leave it out")
        return 2
    place = ClonePlace(Path.cwd())
    try:
        if options.command in _ON_ANY_STACK:
            from tools.operate import operate

            operate(place, options.stack, options.command, further)
        if options.command == "verify":
            from tools.operate import verify

            verify(place, options.backend, further)
        getattr(importlib.import_module("tools.local"), options.command)(place)
    except (ToolError, MinioServerError) as failure:
        console.error(failure, lines=True)
        return 1
    except ClientError as failure:
        console.error(f"{failure.problem}\n  fix: {failure.fix}", lines=True)
        return 1
    except KeyboardInterrupt:
        console.error("interrupted; run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    terminal.protect()
    sys.exit(main())
