"""Repairs what a refresh cannot, and limits the update after it to what belongs to the caches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nix_cache import docs
from nix_cache.backends.drift import Act, Repair, Service
from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.stack_state import Cache
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import files
from nix_cache.cli.machine.places import user_place
from nix_cache.cli.stack import outside
from nix_cache.cli.stack.check import (
    Checked,
    OnService,
    cache_options,
    labelled,
    services_of,
)
from nix_cache.cli.stack.engine import PulumiStack
from nix_cache.cli.stack.suggestion import pulumi_command, repair_command
from nix_cache.cli.stack.targets import prepared, recreated, targets, without_pattern


@dataclass(frozen=True)
class Plan:
    """What a repair does.

    Attributes:
        services: the services of the caches.
        before: what is done there before the engine runs.
        recreate: the URNs of what the engine creates again.
        targets: the URNs, and patterns of these, to which the update is limited.
        after: what is done on the services after the engine has run.
        edits_state: whether the state is changed before the update.
        left_alone: what depends on what is created again but belongs to no cache, in words.
        lost: what the repair takes away of what other resources declare: in words, and the URN.
        drops_pending: whether operations of an interrupted run are dropped from the state.
    """

    services: Sequence[Service]
    before: Sequence[tuple[Service, Act]]
    recreate: frozenset[str]
    targets: Sequence[str]
    after: Sequence[tuple[Service, Act]]
    edits_state: bool
    left_alone: str
    lost: Sequence[tuple[str, str]] = ()
    drops_pending: bool = False


def plan(
    checked: Checked, stack: PulumiStack, renewals: Sequence[tuple[Service, Repair]] = ()
) -> Plan:
    """Return what a repair of some caches does. Nothing else in the stack is touched.

    Args:
        checked: what was found.
        stack: the stack.
        renewals: the users who get a new credential besides, each with their service.

    Raises:
        ClientError: operations are pending of which the repair could not find the outcome, or
            something is missing to which the update cannot be limited.
    """
    repairs = [
        *renewals,
        *((one.service, finding.repair) for one in checked.asked for finding in one.findings),
    ]
    resources = checked.state.get("resources") or []
    gone = {urn for _, repair in repairs for urn in repair.recreate}
    again = recreated(gone, checked.chosen, resources)
    pending = outside.pending(checked.chosen, checked.state)
    edits_state = bool(again or pending.own)
    if edits_state and pending.others:
        raise ClientError(
            f"an interrupted run left operations pending on {pending.others}, which belong to no "
            "cache that is repaired, and the repair would drop them from the state",
            f"run `{pulumi_command(stack, 'refresh')}` first, which asks about each of them",
        )
    _check_created(checked, stack)
    _check_reached(checked, stack)
    return Plan(
        services=[one.service for one in checked.asked],
        before=_acts((service, repair.before) for service, repair in repairs),
        recreate=again,
        targets=targets(checked.chosen, checked.found),
        after=_acts((service, repair.after) for service, repair in repairs),
        edits_state=edits_state,
        left_alone=outside.left_alone(again | checked.deleted, checked.chosen, checked.state),
        lost=sorted({lost for _, repair in repairs for lost in repair.lost}),
        drops_pending=edits_state and bool(pending.own),
    )


def _check_created(checked: Checked, stack: PulumiStack) -> None:
    """Refuse to drop what may have been created where only the engine can be asked about it."""
    asked = {one.cache.urn for one in checked.asked}
    rest = [cache for cache in checked.chosen if cache.urn not in asked]
    if names := outside.creating(rest, checked.state):
        raise ClientError(
            f"an interrupted run left the creation of {names} pending, and nix-cache cannot ask "
            "the service whether it was created",
            f"run `{pulumi_command(stack, 'refresh')}` first, which asks about each of them",
        )


def _check_reached(checked: Checked, stack: PulumiStack) -> None:
    """Refuse what the update would not create again, because its URN is not known."""
    uncovered = without_pattern(checked.chosen, checked.found)
    urns = {cache.urn for cache in uncovered}
    services = [one.service for one in checked.asked if one.cache.urn in urns]
    missing = [
        *(lost for service in services for lost in service.lost()),
        *filter(None, [outside.not_in_state(uncovered, checked.state)]),
    ]
    if missing:
        names = ", ".join(cache.name for cache in uncovered)
        raise ClientError(
            f"the state does not have {', '.join(missing)}, and the update cannot be limited to "
            f"the cache {names}, because resources of another cache have names that begin alike",
            f"run it without --cache: `{repair_command(stack)}`",
        )


def carry_out(planned: Plan, stack: PulumiStack) -> Iterator[str]:
    """Do what comes before the update.

    Args:
        planned: the plan.
        stack: the stack.

    Yields:
        what is done, one sentence each.

    Raises:
        ClientError: the state cannot be kept or changed.
        ServiceError: a service does not answer.
    """
    exported = ""
    if planned.edits_state:
        exported = stack.export()
        file = str(_kept(exported, stack.name))
        command = pulumi_command(stack, "stack", "import", "--file", file)
        operations = ", and the file also lists its pending operations"
        yield (
            f"the state is kept as it was; `{command}` restores its resources"
            f"{operations if planned.drops_pending else ''}"
        )
    for service in planned.services:
        yield from service.remove_half_made()
    yield from _done(planned.before)
    if exported:
        stack.import_state(prepared(exported, planned.recreate))


def finish(planned: Plan) -> Iterator[str]:
    """Do what comes after the update.

    Yields:
        what is done, one sentence each.

    Raises:
        ServiceError: a service does not answer.
    """
    yield from _done(planned.after)


def renewal(
    user: str, asked: Iterable[OnService], found: Iterable[Cache], stack: PulumiStack
) -> tuple[OnService, Repair]:
    """Return how the credential of a user is renewed, and in which cache.

    Args:
        user: the user's name on the service.
        asked: the caches that are meant, of those whose service can be asked.
        found: all caches of the stack.
        stack: the stack.

    Raises:
        ClientError: there is no such user, or one in several caches.
    """
    asked = list(asked)
    if not asked:
        raise _replaced_by_the_engine(user, found, stack)
    labels = labelled(found)
    known = [(one, one.service.users()) for one in asked]
    having = [(one, users[user]) for one, users in known if user in users]
    if len(having) > 1:
        options = cache_options(labels[one.cache.urn] for one, _ in having)
        raise ClientError(
            f"{len(having)} caches of the stack {stack.name} have a user {user!r}",
            f"name the one that is meant: {options}",
        )
    if not having:
        users = sorted({name for _, found in known for name, made in found.items() if made})
        raise ClientError(
            f"the stack {stack.name} has no user {user!r}",
            f"name one of: {', '.join(users) or 'none'}",
        )
    [(one, repair)] = having
    if repair is None:
        raise ClientError(
            f"the state of the stack {stack.name} has lost the user {user}, perhaps by an "
            "interrupted run",
            f"run `{repair_command(stack, labels[one.cache.urn])}`, which creates it again",
        )
    return one, repair


def _replaced_by_the_engine(user: str, found: Iterable[Cache], stack: PulumiStack) -> ClientError:
    """Return the way to another credential where the service itself cannot be asked."""
    urns: dict[str, list[str]] = {}
    for cache in found:
        for urn in sorted(cache.urns):
            for backend in BACKENDS.values():
                holder = backend.credential and backend.credential.user_of(urn, cache.name)
                if holder:
                    urns.setdefault(holder, []).append(urn)
    problem = f"the stack {stack.name} has no users that `renew` can replace"
    if not urns:
        return ClientError(
            problem,
            "if the key pairs are in `s3.accessKeys`, create another one at the service, set it "
            "there and run `pulumi up`; else follow the section for the backend of the cache: "
            f"{docs.page('operations/compromised-writer', 'replace-a-credential')}",
        )
    if user not in urns:
        return ClientError(
            f"{problem}, and no credential of {user!r}",
            f"name one of: {', '.join(sorted(urns))}",
        )
    commands = " or ".join(
        f"`{pulumi_command(stack, 'up', '--replace', urn)}`" for urn in urns[user]
    )
    return ClientError(problem, f"replace the credential alone: run {commands}")


def is_half_made(stack: PulumiStack) -> bool:
    """Return whether an interrupted run left something that only a refresh can find out about.

    Without one, the provider tries to update it, which it cannot do with every kind.
    """
    state = stack.state()
    updates = (begun["type"] == "updating" for begun in state.get("pending_operations") or ())
    return any(updates) or any(made.get("initErrors") for made in state.get("resources") or ())


def remove_half_made(stack: PulumiStack) -> Iterator[str]:
    """Remove what an interrupted run created on a service but did not note in the state.

    Yields:
        what was removed, one sentence each.

    Raises:
        ServiceError: a service does not answer.
    """
    for service in services_of(stack):
        yield from service.remove_half_made()


def _acts(of: Iterable[tuple[Service, Sequence[Act]]]) -> Sequence[tuple[Service, Act]]:
    return list(dict.fromkeys((service, act) for service, acts in of for act in acts))


def _done(acts: Iterable[tuple[Service, Act]]) -> Iterator[str]:
    for service, act in acts:
        yield f"{act.act}: {' '.join(filter(None, (act.subject, act.name)))}"
        if reason := service.do(act):
            yield f"WARNING: that was not done: {reason}"


def _kept(exported: str, stack: str) -> Path:
    """Keep a state in a file of the user's own; secrets in it are encrypted."""
    folder = user_place().state / "stack-backups"
    files.make_folder(folder, 0o700)
    name = stack.replace("/", "-")
    file = folder / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.json"
    files.write(file, exported.encode(), 0o600)
    return file
