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
from tools.local_backends import DEFAULT, LOCAL_BACKENDS, backend_of
from tools.place import ClonePlace

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
    local = {name: commands.add_parser(name, help=what) for name, what in _LOCAL.items()}
    for name in _ON_ANY_STACK:
        local[name] = commands.add_parser(name, help=f"run `nix-cache stack {name}`")
        local[name].add_argument("--stack", help="the stack (default: the local one)")
    for own in local.values():
        own.add_argument(
            "--backend",
            choices=LOCAL_BACKENDS,
            default=DEFAULT,
            help="the backend of the local stack (default: %(default)s)",
        )
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
    try:
        if options.command == "verify":
            from tools.operate import verify

            verify(ClonePlace(Path.cwd()), options.backend, further)
        place = ClonePlace(Path.cwd(), LOCAL_BACKENDS[options.backend])
        if options.command in _ON_ANY_STACK:
            from tools.operate import operate

            stack = options.stack or place.stack
            place = ClonePlace(place.project, backend_of(stack))
            operate(place, stack, options.command, further)
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
