"""The way out of what a refresh cannot mend: what is gone, and what somebody did to users.

Over a bucket, a user or a policy that is gone the provider fails every refresh, and it does not see
everything that can be done outside. So the one is taken out of the state, and the other is undone
on the server; then the engine makes anew what is missing, users with a new secret.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dev.drift.comparison import ending
from dev.drift.declared import declared
from dev.drift.finding import Finding, Undo
from dev.errors import DevError
from dev.stack import Stack

if TYPE_CHECKING:
    from dev.drift.server import Administration
    from nix_cache.storage.minio_server import MinioServer


def is_half_made(stack: Stack) -> bool:
    """Whether an interrupted run left something of which only a refresh tells what became of it.

    Without one, the provider tries to update it, which it cannot do with every kind.
    """
    state = stack.state()
    updates = (begun["type"] == "updating" for begun in state.get("pending_operations") or ())
    return any(updates) or any(made.get("initErrors") for made in state.get("resources") or ())


def mend(findings: Iterable[Finding], stack: Stack, server: "Administration") -> Iterator[str]:
    """Do what a refresh cannot, so that it and what follows it mend the rest.

    Args:
        findings: what was found.
        stack: the stack whose state is meant.
        server: the server on which it was found.

    Yields:
        what is being done, one sentence each.

    Raises:
        MinioServerError: the server does not answer.
    """
    for finding in findings:
        yield from _undo(finding.undo, server)
        _forget(finding.forget, stack)


def end_user(name: str, stack: Stack, server: "Administration") -> Iterator[str]:
    """Remove a user of the stack's from the server and from the state, for the engine to make anew.

    A new secret alone would leave temporary credentials that somebody got with the old one.
    Replacing the resource would leave no user: the provider makes the new one first, and then
    deletes the old one, which has the same name.

    Args:
        name: the user's name on the server.
        stack: the stack whose user it is.
        server: where they are.

    Yields:
        what is being done, one sentence each.

    Raises:
        DevError: the stack has no such user.
        MinioServerError: the server does not answer.
    """
    users = {user.name: user for user in declared(stack.resources()).users if user.urn}
    if name not in users:
        known = ", ".join(users) or "none"
        raise DevError(f"the stack {stack.name} has no user {name!r}", f"name one of: {known}")
    yield from _undo(ending(name), server)
    _forget((users[name].urn, *users[name].attachments.values()), stack)


def remove_half_made_bucket(stack: Stack, server: "MinioServer") -> str:
    """Remove the bucket that an interrupted run made but did not note in the state.

    Only a bucket that the stack has claimed, and that is empty, is removed; the engine refuses to
    make it while it is there.

    Args:
        stack: the stack whose state is meant.
        server: the server that may have such a bucket.

    Returns:
        the bucket's name, or nothing if there was none.
    """
    for bucket in declared(stack.resources()).buckets:
        if not bucket.urn and server.remove_empty_bucket(bucket.name):
            return bucket.name
    return ""


def _forget(urns: Iterable[str], stack: Stack) -> None:
    for urn in urns:
        # What depends on something is forgotten with it.
        if urn in {resource["urn"] for resource in stack.resources()}:
            stack.forget(urn)


def _undo(acts: Iterable[Undo], server: "Administration") -> Iterator[str]:
    for undo in acts:
        yield f"{undo.act}: {' '.join(filter(None, (undo.subject, undo.name)))}"
        if not server.undo(undo):
            yield "WARNING: this server is too old for that; they end when their time is over"
