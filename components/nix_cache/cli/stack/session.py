"""What the commands `nix-cache stack drift`, `repair` and `renew` do."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from nix_cache.backends.minio.connection import MinioServerError
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console
from nix_cache.cli.stack import outside, report
from nix_cache.cli.stack import repair as repairing
from nix_cache.cli.stack.check import Checked, check
from nix_cache.cli.stack.engine import PulumiStack, open_stack


def opened(
    stack: str | None,
    folder: Path | None,
    pulumi: str | None,
    packs: Sequence[str] = (),
    pack_configs: Sequence[str] = (),
) -> PulumiStack:
    """The stack that the options mean.

    Raises:
        ClientError: there is no project, no selected stack or no program `pulumi`.
    """
    named = (("--policy-pack", packs), ("--policy-pack-config", pack_configs))
    # The engine runs in the program's folder, and the options are relative to the current one.
    options = [
        part
        for option, paths in named
        for path in paths
        for part in (option, str(Path(path).absolute()))
    ]
    return open_stack(stack, folder, pulumi, options)


def drift(stack: PulumiStack, *, as_json: bool) -> bool:
    """Print what was changed outside; returns whether anything was.

    Raises:
        ClientError: the stack could not be checked.
    """
    checked = _checked(stack)
    report.report(checked.findings, stack.name, as_json=as_json)
    return bool(checked.findings)


def repair(stack: PulumiStack, *, yes: bool) -> None:
    """Put back what was changed outside.

    Raises:
        ClientError: nothing was agreed to, or a step failed.
    """
    checked = _checked(stack)
    _announce(checked, stack)
    _agree(f"repair of the stack {stack.name}", yes=yes)
    with _servers_explained():
        for act in repairing.repair(checked, stack):
            console.note(act)
    stack.settle()
    report.changes(stack.name, stack.up(refresh=True))


def renew(stack: PulumiStack, user: str, *, yes: bool) -> None:
    """Give one user a new credential.

    Raises:
        ClientError: there is no such user, nothing was agreed to, or a step failed.
    """
    checked = _checked(stack)
    repairing.require_user(user, checked, stack)
    _announce(checked, stack, user)
    _agree(f"replacement of the user {user}", yes=yes)
    with _servers_explained():
        for act in repairing.renew(user, checked, stack):
            console.note(act)
    report.changes(stack.name, stack.up(refresh=True))
    console.note(f"the user {user} has a new secret: hand it out again")


def _checked(stack: PulumiStack) -> Checked:
    with _servers_explained():
        return check(stack)


def _announce(checked: Checked, stack: PulumiStack, user: str = "") -> None:
    report.announce(checked.findings)
    forgotten = repairing.forgotten(checked, user)
    for effect in outside.effects(checked.state, forgotten, stack.name):
        console.note(f"WARNING: {effect}")


def _agree(what: str, *, yes: bool) -> None:
    if not (yes or console.confirmed(f"Start the {what}?")):
        raise ClientError(
            f"nothing was done: the {what} was not confirmed", "answer yes, or add --yes"
        )


@contextlib.contextmanager
def _servers_explained() -> Iterator[None]:
    try:
        yield
    except MinioServerError as failure:
        problem, _, fix = str(failure).partition("; ")
        raise ClientError(problem, fix or "run the same command again") from None
