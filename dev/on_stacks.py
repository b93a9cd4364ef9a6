"""The commands on any stack: what was changed outside, told and put back, and credentials renewed.

What only MinIO needs is imported where it is used: a program on another backend does without.
"""

import argparse

from dev import report
from dev.drift import report as drift_report
from dev.drift.check import Checked, check
from dev.errors import DevError
from dev.place import STACK, Place, private_folder
from dev.repair import end_user, mend, remove_half_made_bucket
from dev.stack import Stack
from nix_cache.cli.machine import console
from toolchain import engine

DRIFTED = 2
"""The exit code of a check that found something, as users of Terraform know it."""


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
    for act in end_user(options.user, stack, checked.server):
        console.note(act)
    for act in mend(checked.findings, stack, checked.server):
        console.note(act)
    report.summary(stack.outputs(), stack.up(refresh=True))
    console.note(f"the user {options.user} has a new secret: hand it out again")
    return 0


def _checked(place: Place, name: str, *, begin: bool = False) -> tuple[Stack, Checked]:
    """A stack, and what was changed outside.

    Args:
        place: where the clone's things are.
        name: the stack's name.
        begin: whether something will be done about it, so that the local server may be started.
    """
    stack = (
        _of_development(place, begin=begin) if name == STACK else Stack(place, _engine(place), name)
    )
    return stack, check(stack, place.project)


def _of_development(place: Place, *, begin: bool) -> Stack:
    from dev import local
    from dev.server import LocalServer

    if begin:
        return local.ready(place)[0]
    stack = Stack(place, _engine(place))
    if not stack.exists:
        raise DevError(f"the stack {STACK} is not there", "make up")
    if LocalServer(place.server).process() is None:
        raise DevError("the local MinIO does not run", "make up, which starts it")
    return stack


def _engine(place: Place) -> engine.Engine:
    private_folder(place.work)
    return engine.provide(place.work, report.progress())


def _agree(what: str, stack: Stack, options: argparse.Namespace) -> None:
    """Ask before anything is done to a stack that matters."""
    if stack.is_of_development or options.yes or console.confirmed(f"{what}?"):
        return
    raise DevError(f"nothing was done: nobody agreed to {what}", "answer yes, or add YES=1")
