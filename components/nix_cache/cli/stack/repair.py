"""Repairs what a refresh cannot: what is gone, and what was done to users on a MinIO server.

Over a bucket, a user or a policy that is gone the provider fails every refresh, and it does not see
everything that can be done outside. So the one is dropped from the state, and the other is undone
on the server; then the engine creates what is missing, users with a new secret.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from nix_cache.backends.drift import Finding, Undo
from nix_cache.backends.minio.drift.comparison import ending
from nix_cache.backends.minio.drift.declared import Declared
from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack.check import Checked, servers_of
from nix_cache.cli.stack.engine import PulumiStack

if TYPE_CHECKING:
    from nix_cache.backends.minio.drift.server import Administration


def is_half_made(stack: PulumiStack) -> bool:
    """Whether an interrupted run left something that only a refresh can find out about.

    Without one, the provider tries to update it, which it cannot do with every kind.
    """
    state = stack.state()
    updates = (begun["type"] == "updating" for begun in state.get("pending_operations") or ())
    return any(updates) or any(made.get("initErrors") for made in state.get("resources") or ())


def remove_half_made_buckets(stack: PulumiStack) -> Iterator[str]:
    """Remove the buckets that an interrupted run created but did not note in the state.

    Only a bucket whose name the stack has reserved, and that is empty, is removed; the engine
    refuses to create it while it exists.

    Yields:
        what was removed, one sentence each.

    Raises:
        MinioServerError: a server does not answer.
    """
    for made, server in servers_of(stack):
        yield from _remove_half_made(made, server)


def repair(checked: Checked, stack: PulumiStack) -> Iterator[str]:
    """Do what a refresh cannot, so that it and the update after it repair the rest.

    Args:
        checked: what was found.
        stack: the stack.

    Yields:
        what is done, one sentence each.

    Raises:
        MinioServerError: a server does not answer.
    """
    for asked in checked.servers:
        yield from _remove_half_made(asked.made, asked.server)
        yield from _mend(asked.findings, stack, asked.server)


def renew(name: str, checked: Checked, stack: PulumiStack) -> Iterator[str]:
    """Remove a user from its server and from the state, so that the engine creates it again.

    A new secret alone would leave temporary credentials that were obtained with the old one.
    A replacement of the resource would leave no user: the provider creates the new one first, and
    then deletes the old one, which has the same name.

    Args:
        name: the user's name on the server.
        checked: what was found in the stack. It is repaired as well.
        stack: the stack.

    Yields:
        what is done, one sentence each.

    Raises:
        MinioServerError: a server does not answer.
    """
    for asked in checked.servers:
        users = {user.name: user for user in asked.made.users if user.urn}
        if name in users:
            yield from _undo(ending(name), asked.server)
            _forget((users[name].urn, *users[name].attachments.values()), stack)
    yield from repair(checked, stack)


def forgotten(checked: Checked, user: str = "") -> frozenset[str]:
    """The URNs that a repair drops from the state.

    Args:
        checked: what was found.
        user: the name of a user who is renewed; empty for none.
    """
    findings = {urn for finding in checked.findings for urn in finding.forget}
    users = (one for asked in checked.servers for one in asked.made.users if one.name == user)
    renewed = {urn for one in users for urn in (one.urn, *one.attachments.values())}
    return frozenset(findings | renewed) - {""}


def require_user(name: str, checked: Checked, stack: PulumiStack) -> None:
    """Make sure that a stack has a user whose credential can be renewed.

    Raises:
        ClientError: it has not.
    """
    if not checked.servers:
        raise ClientError(
            f"the stack {stack.name} has no users on MinIO, which is what `renew` is for",
            "replace the credential as the documentation of the backend describes",
        )
    users = [user for asked in checked.servers for user in asked.made.users]
    names = {user.name for user in users if user.urn}
    if name in {user.name for user in users} - names:
        raise ClientError(
            f"the state of the stack {stack.name} has lost the user {name}, as after an "
            "interrupted run",
            f"run `nix-cache stack repair --stack {stack.name}`, which creates it again",
        )
    if name not in names:
        raise ClientError(
            f"the stack {stack.name} has no user {name!r}",
            f"name one of: {', '.join(sorted(names)) or 'none'}",
        )


def _remove_half_made(made: Declared, server: "Administration") -> Iterator[str]:
    for bucket in made.buckets:
        if not bucket.urn and server.remove_empty_bucket(bucket.name):
            yield f"removed the empty bucket {bucket.name}, which an interrupted run left"


def _mend(
    findings: Iterable[Finding], stack: PulumiStack, server: "Administration"
) -> Iterator[str]:
    for finding in findings:
        yield from _undo(finding.undo, server)
        _forget(finding.forget, stack)


def _forget(urns: Iterable[str], stack: PulumiStack) -> None:
    for urn in urns:
        # What depends on something is dropped with it.
        if urn in {resource["urn"] for resource in stack.resources()}:
            stack.forget(urn)


def _undo(acts: Iterable[Undo], server: "Administration") -> Iterator[str]:
    for undo in acts:
        yield f"{undo.act}: {' '.join(filter(None, (undo.subject, undo.name)))}"
        if not server.undo(undo):
            yield "WARNING: this server is too old for that; they end when their time is over"
