"""Runs `nix-cache stack` with the clone's engine, and on its own stack with the local server."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from tools import bootstrap, local
from tools.errors import ToolError
from tools.place import ClonePlace, private_folder
from tools.stack import LocalStack

_READING = "drift"
"""The command that changes nothing, so that it starts no server either."""


def operate(place: ClonePlace, stack: str, command: str, arguments: Sequence[str]) -> NoReturn:
    """Become `nix-cache stack COMMAND` on a stack.

    Args:
        place: where the clone's things are.
        stack: the stack's name.
        command: drift, repair or renew.
        arguments: further ones of the command.

    Raises:
        ToolError: the stack of development is not there, or its server does not run.
    """
    options = ["--stack", stack]
    if command != _READING:
        options += place.policy_options(stack)
        options += ["--yes"] if stack == place.stack else []
    if stack == place.stack:
        found = _of_development(place, command)
    else:
        found = LocalStack(place, local.provide_engine(place), stack)
    _become(sys.executable, found, command, [*arguments, *options])


def verify(place: ClonePlace, backend: str, arguments: Sequence[str]) -> NoReturn:
    """Become `nix-cache stack verify` in an environment of a backend.

    Args:
        place: where the clone's things are.
        backend: the backend's name.
        arguments: further ones of the command.

    Raises:
        ToolError: there is no such backend.
    """
    if backend not in bootstrap.LOCKS.keys() - bootstrap.OTHERS.keys():
        raise ToolError(f"unknown backend {backend!r}", "name one: make verify BACKEND=b2")
    python = bootstrap.provide(backend, private_folder(place.work) / f"venv-{backend}")
    found = LocalStack(place, local.provide_engine(place), "verify")
    _become(str(python), found, "verify", [backend, *arguments])


def _become(python: str, stack: LocalStack, command: str, arguments: Sequence[str]) -> NoReturn:
    program = [python, "-m", "nix_cache.cli", "stack", command, "--pulumi", stack.pulumi]
    os.execve(python, [*program, *arguments], {**stack.environment})  # noqa: S606


def _of_development(place: ClonePlace, command: str) -> LocalStack:
    if command != _READING:
        return local.ready(place)
    stack = LocalStack(place, local.provide_engine(place))
    if not stack.exists:
        raise ToolError(f"the stack {place.stack} does not exist", place.local.up)
    if (server := local.server_of(place)).process() is None:
        raise ToolError(
            f"the local {server.title} does not run", f"{place.local.up}, which starts it"
        )
    return stack
