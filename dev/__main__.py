"""The commands behind `make`: up, preview, drift, repair, renew, down, status and env."""

import argparse
import shlex
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from dev import report
from dev.drift import report as drift_report
from dev.drift.check import Checked, check
from dev.errors import DevError
from dev.leftovers import remove_leftovers
from dev.place import STACK, Place, private_folder
from dev.repair import end_user, is_half_made, mend, remove_half_made_bucket
from dev.server import LocalServer
from dev.stack import Stack, variables
from nix_cache.client import console
from nix_cache.storage.minio_connection import MinioServerError
from nix_cache.storage.minio_server import MinioServer
from toolchain import engine
from toolchain.errors import ToolchainError


def up(place: Place) -> None:
    """Start the local server and bring the stack up."""
    stack, server = _ready(place)
    if bucket := remove_half_made_bucket(stack, server):
        console.note(f"the bucket {bucket}, which an interrupted run left empty, is made anew")
    refresh = is_half_made(stack)
    if stack.settle():
        console.note("what an interrupted run had begun is finished")
    changes = stack.up(refresh=refresh)
    report.summary(stack.outputs(), changes)


def preview(place: Place) -> None:
    """Show what `up` would do."""
    stack, _ = _ready(place)
    stack.preview()


def drift(place: Place, options: argparse.Namespace) -> int:
    """Tell what was changed outside. Nothing is written, neither to the state nor to the server."""
    stack, checked = _checked(place, options.stack)
    drift_report.tell(checked, stack.name, as_json=options.json)
    return DRIFTED if checked.findings else 0


def repair(place: Place, options: argparse.Namespace) -> int:
    """Tell what was changed outside, and put it back."""
    stack, checked = _checked(place, options.stack, begin=True)
    drift_report.announce(checked.findings)
    _agree(f"repair the stack {stack.name}", stack, options)
    if checked.server:
        if bucket := remove_half_made_bucket(stack, checked.server):
            console.note(f"the bucket {bucket}, which an interrupted run left empty, is made anew")
        for act in mend(checked.findings, stack, checked.server):
            console.note(act)
    stack.settle()
    changes = stack.up(refresh=True)
    report.summary(stack.outputs(), changes)
    return 0


def renew(place: Place, options: argparse.Namespace) -> int:
    """Make one user anew, whose credential somebody else has."""
    stack, checked = _checked(place, options.stack, begin=True)
    if checked.server is None:
        raise DevError(
            f"the users of the stack {stack.name} are not MinIO's",
            "replace the credential as the README's 'Recovery' tells",
        )
    drift_report.announce(checked.findings)
    _agree(f"make the user {options.user} anew", stack, options)
    end_user(options.user, stack, checked.server)
    for act in mend(checked.findings, stack, checked.server):
        console.note(act)
    report.summary(stack.outputs(), stack.up(refresh=True))
    console.note(f"the user {options.user} has a new secret: hand it out again")
    return 0


def down(place: Place) -> None:
    """Remove the stack, stop the server, and remove all that they kept."""
    local = LocalServer(place.server)
    if any(place.state.glob(".pulumi/stacks/*/*.json")):
        stack, server = _ready(place)
        for bucket in stack.disposable_buckets():
            # The provider empties a bucket too, but ends itself when it finds that it has done so.
            server.empty(bucket)
        stack.destroy()
        stack.forget_salt()
    local.stop()
    local.remove()
    place.remove_state()
    console.note("everything that `make up` made is removed; built tools stay in the cache")


def status(place: Place) -> None:
    """Tell what runs, what the stack has, and what the toolchain is made of."""
    found = _engine(place)
    local = LocalServer(place.server)
    process = local.process()
    stack = Stack(place, found)
    report.facts(
        [
            ("MinIO", f"{local.url}, process {process.pid}" if process else "does not run"),
            ("stack", f"{len(stack.resources())} resources" if stack.exists else "not there"),
        ]
    )
    report.parts(found.parts)


def env(place: Place) -> None:
    """Print the environment for a shell. Paths only: no value in it is a secret."""
    found = _engine(place)
    path = ":".join(shlex.quote(str(folder)) for folder in found.bin_dirs)
    names = {"PULUMI_HOME": str(found.home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    own = shlex.quote(sysconfig.get_path("scripts"))  # last: nix-cache, and nobody's python
    print(f'export PATH={path}:"$PATH":{own}')
    print("unset PULUMI_CONFIG_PASSPHRASE")  # it would win over the file
    for name, value in {**names, **variables(place)}.items():
        print(f"export {name}={shlex.quote(value)}")


DRIFTED = 2
"""The exit code of a check that found something, as users of Terraform know it."""

_COMMANDS: dict[str, Callable[[Place], None]] = {
    command.__name__: command for command in (up, preview, down, status, env)
}
_ON_ANY_STACK: dict[str, Callable[[Place, argparse.Namespace], int]] = {
    command.__name__: command for command in (drift, repair, renew)
}


def _engine(place: Place) -> engine.Engine:
    private_folder(place.work)
    return engine.provide(place.work, report.progress())


def _ready(place: Place) -> tuple[Stack, MinioServer]:
    """A stack that can be worked on: checked, its server up and answering."""
    found = _engine(place)
    report.parts(found.parts)
    local = LocalServer(place.server, found.minio)
    local.prepare()
    stack = Stack(place, found)
    stack.check_config()
    local.start()
    if remove_leftovers(place.state):
        console.note("an earlier run was killed; its lock on the state is removed")
    stack.prepare()
    return stack, MinioServer(local.connection())


def _checked(place: Place, name: str, *, begin: bool = False) -> tuple[Stack, Checked]:
    """A stack, and what was changed outside.

    Args:
        place: where the clone's things are.
        name: the stack's name.
        begin: whether something will be done about it, so that the local server may be started.
    """
    if name == STACK and begin:
        stack, _ = _ready(place)
    else:
        stack = Stack(place, _engine(place), name)
        if stack.is_of_development and not stack.exists:
            raise DevError(f"the stack {name} is not there", "make up")
        if stack.is_of_development and LocalServer(place.server).process() is None:
            raise DevError("the local MinIO does not run", "make up, which starts it")
    return stack, check(stack, place.project)


def _agree(what: str, stack: Stack, options: argparse.Namespace) -> None:
    """Ask before anything is done to a stack that matters."""
    if stack.is_of_development or options.yes or console.confirmed(f"{what}?"):
        return
    raise DevError(f"nothing was done: nobody agreed to {what}", "answer yes, or add YES=1")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _COMMANDS.values():
        commands.add_parser(command.__name__, help=command.__doc__)
    for on_stack in _ON_ANY_STACK.values():
        own = commands.add_parser(on_stack.__name__, help=on_stack.__doc__)
        own.add_argument("--stack", default=STACK, help="the stack (default: %(default)s)")
        if on_stack is drift:
            own.add_argument("--json", action="store_true", help="print the result for programs")
        else:
            own.add_argument("--yes", action="store_true", help="do not ask")
        if on_stack is renew:
            own.add_argument("--user", required=True, help="the user's name on the server")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    place = Place(Path.cwd())
    try:
        if command := _ON_ANY_STACK.get(options.command):
            return command(place, options)
        _COMMANDS[options.command](place)
    except (DevError, MinioServerError, ToolchainError) as failure:
        console.error(failure)
        return 1
    except KeyboardInterrupt:
        console.error("interrupted; run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
