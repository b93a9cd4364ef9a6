"""What the commands `nix-cache stack drift`, `repair` and `renew` do."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nix_cache.backends.drift import Repair, Service, ServiceError
from nix_cache.cli.commands import completed, completing
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console
from nix_cache.cli.stack import repair as repairing
from nix_cache.cli.stack import report
from nix_cache.cli.stack.check import Checked, check, unfinished
from nix_cache.cli.stack.engine import PulumiStack, open_stack
from nix_cache.cli.stack.suggestion import place_of, pulumi_command, repair_command


def opened(
    stack: str | None,
    folder: Path | None,
    pulumi: str | None,
    packs: Sequence[str] = (),
    pack_configs: Sequence[str] = (),
) -> PulumiStack:
    """Return the stack that the options mean.

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


def drift(stack: PulumiStack, cache: str | None, *, as_json: bool) -> bool:
    """Print what was changed outside; returns whether anything was.

    Raises:
        ClientError: the stack could not be checked.
    """
    checked = _checked(stack, cache)
    report.report(checked, stack.name, repair_command(stack, cache), as_json=as_json)
    return bool(checked.findings)


def repair(stack: PulumiStack, cache: str | None, *, yes: bool) -> None:
    """Put back what was changed outside.

    Raises:
        ClientError: the user did not agree, or a step failed.
    """
    checked = _checked(stack, cache)
    _carry_out(checked, stack, f"repair of the stack {stack.name}", yes=yes)


def renew(stack: PulumiStack, user: str, cache: str | None, *, yes: bool) -> None:
    """Give one user a new credential.

    Raises:
        ClientError: there is no such user, the user did not agree, or a step failed.
    """
    checked = _checked(stack, cache)
    one, renewal = repairing.renewal(user, checked.asked, checked.found, stack)
    # The rest of its cache is repaired as well: over what is gone, a refresh would fail.
    findings = [*unfinished([one.cache], checked.state), *one.findings]
    only = replace(checked, findings=findings, asked=[one], chosen=[one.cache], deleted=frozenset())
    what = f"replacement of the user {user} of the cache {one.cache.name}"
    _carry_out(only, stack, what, [(one.service, renewal)], yes=yes)
    console.note(f"the user {user} has a new secret: hand it out again")


def _checked(stack: PulumiStack, cache: str | None) -> Checked:
    with _services_explained(stack):
        checked = check(stack, cache)
    place = place_of(stack)
    findings = [
        replace(finding, remedy=completed(finding.remedy, place)) for finding in checked.findings
    ]
    return replace(checked, findings=findings)


def _carry_out(
    checked: Checked,
    stack: PulumiStack,
    what: str,
    renewals: Sequence[tuple[Service, Repair]] = (),
    *,
    yes: bool,
) -> None:
    with completing(place_of(stack)):
        planned = repairing.plan(checked, stack, renewals)
    report.announce(checked.findings)
    if planned.left_alone:
        console.note(
            f"WARNING: {planned.left_alone}: depends on what is created again but belongs to no "
            "cache that is repaired, so it is left as it is; check it afterwards with "
            f"`{pulumi_command(stack, 'preview', '--refresh')}`"
        )
    if planned.lost:
        lost = ", ".join(words for words, _ in planned.lost)
        deletions = (
            f"`{pulumi_command(stack, 'state', 'delete', urn)}`" for _, urn in planned.lost
        )
        console.note(
            f"WARNING: {lost}: removed on the service together with the user, and "
            "not restored, because a resource that belongs to no cache declares it; afterwards "
            f"run {', '.join(deletions)}, then `{pulumi_command(stack, 'up')}`"
        )
    if not (yes or console.confirmed(f"Start the {what}?")):
        raise ClientError(
            f"nothing was done: the {what} was not confirmed", "answer yes, or add --yes"
        )
    with _services_explained(stack):
        for act in repairing.carry_out(planned, stack):
            console.note(act)
        changes = stack.up(refresh=True, targets=planned.targets)
        for act in repairing.finish(planned):
            console.note(act)
    report.changes(stack.name, changes)


@contextlib.contextmanager
def _services_explained(stack: PulumiStack) -> Iterator[None]:
    with completing(place_of(stack)):
        try:
            yield
        except ServiceError as failure:
            problem, _, fix = str(failure).partition("; ")
            raise ClientError(problem, fix or "run the same command again") from None
