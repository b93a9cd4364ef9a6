"""Drift, as a backend finds it on its service: the findings, and the protocol for repairs. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nix_cache.backends.stack_state import Cache, Resource
from nix_cache.shown import ShownError

BACK_TO_STACK = "puts it back"
"""The remedy for what a refresh sees and the update after it repairs."""

LEFT_TO_OTHERS = "leaves it to the other resource that declares it: run `pulumi up --refresh`"
"""The remedy for what a resource beside the cache declares, which a repair does not update."""


class ServiceError(ShownError):
    """A storage service cannot be asked: the problem, then ``; `` and the fix."""


@dataclass(frozen=True)
class Act:
    """One change on the service that the engine cannot make.

    Attributes:
        act: what is done, such as "remove a user".
        subject: the bucket or the user.
        name: the policy, group or access key, where the act is about one.
    """

    act: str
    subject: str
    name: str = ""


@dataclass(frozen=True)
class Repair:
    """What is done about drift beside a refresh and an update.

    Attributes:
        before: what is done on the service before the engine runs.
        recreate: the URNs of resources that the engine creates again.
        after: what is done on the service after the engine has run.
        lost: what resources of the program beside the cache declare and this takes away: in words,
            and the URN of the resource.
    """

    before: tuple[Act, ...] = ()
    recreate: tuple[str, ...] = ()
    after: tuple[Act, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Finding:
    """One difference between what the stack made and what is there.

    Attributes:
        what: what happened, as a sentence without its full stop.
        was: what the stack made.
        now: what is there.
        remedy: what a repair does about it, as the rest of "it ...".
        repair: what it does about it beside a refresh and an update.
    """

    what: str
    was: str
    now: str
    remedy: str = BACK_TO_STACK
    repair: Repair = Repair()


@dataclass(frozen=True)
class Deployed:
    """A cache in a stack, and what is needed to reach its service.

    Attributes:
        cache: the cache, secrets in clear.
        resources: all resources of the stack, secrets in clear.
        configuration: the stack's configuration, secrets in clear.
        folder: the program's folder, from which the configuration names files.
    """

    cache: Cache
    resources: Sequence[Resource] = field(repr=False)
    configuration: Mapping[str, str] = field(repr=False)
    folder: Path


class Service(Protocol):
    """The service of one cache, asked as its administrator.

    Each method raises ServiceError if the service does not answer or refuses.
    """

    def findings(self) -> Sequence[Finding]:
        """Return every difference. Nothing is written."""
        ...

    def users(self) -> Mapping[str, Repair | None]:
        """Return how the credential of each user is renewed, by the user's name on the service.

        None stands for a user that the state has lost. Nothing is asked or written.
        """
        ...

    def lost(self) -> Sequence[str]:
        """Return what the state has lost or an interrupted run did not make, in words."""
        ...

    def do(self, act: Act) -> str:
        """Do one act; returns why it could not be done, or nothing."""
        ...

    def remove_half_made(self) -> Iterator[str]:
        """Remove what an interrupted run created but did not note in the state.

        Yields:
            what was removed, one sentence each.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ServiceDrift:
    """How a backend's service itself is asked for drift, in place of the engine's refresh.

    Attributes:
        concerns: whether some resources of a cache are on the service.
        reach: returns the service of a cache; asks nothing yet. It raises ServiceError if the
            administrator is not known.
    """

    concerns: Callable[[Sequence[Mapping[str, Any]]], bool]
    reach: Callable[[Deployed], Service]
