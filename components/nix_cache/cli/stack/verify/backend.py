"""A storage service as a verification needs it: a row, made of the backend's spec."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.spec import Right
from nix_cache.rights.trials import Trial


class Role(StrEnum):
    """Who sends the requests."""

    ANONYMOUS = "an anonymous request"
    WRITER = "the writer"
    READER = "the reader"


class Action(StrEnum):
    """What a request asks for."""

    READ = "read an object"
    LIST = "list the bucket"
    PUT = "put a NAR"
    UPLOAD = "upload in parts, and abort"
    REPLACE_INFO = "replace nix-cache-info"
    DELETE = "delete a NAR"


_ACTIONS = {
    Right.LIST: Action.LIST,
    Right.REPLACE: Action.REPLACE_INFO,
    Right.DELETE: Action.DELETE,
}


def beyond(name: str) -> frozenset[tuple[Role, Action]]:
    """Return what a service is known to permit although no cache needs it."""
    rights = {Role.WRITER: BACKENDS[name].writers_also, Role.READER: BACKENDS[name].readers_also}
    return frozenset((role, _ACTIONS[right]) for role, known in rights.items() for right in known)


_WRITER = frozenset({Action.READ, Action.PUT, Action.UPLOAD})
_READER = frozenset({Action.READ})


@dataclass(frozen=True)
class Backend:
    """A storage service.

    Attributes:
        name: as in ``nix-cache:backend``.
        service: its name for people.
        package: the Python package that its stacks need.
        costs: the cost of a verification there, in one or two sentences, with its source.
        variables: the environment variables that must be set, and what each is.
        config: makes of the environment and a bucket's name the stack's configuration, by full
            key, beside what every verification sets.
        beyond: what the service permits although no cache needs it.
        least_nix: the oldest Nix that can push there.
        owner_variables: the variables with a key pair that may do everything in the bucket.
        minter: makes what tries to create key pairs, as in ``Verification``.
    """

    name: str
    service: str
    package: str
    costs: str
    variables: Mapping[str, str]
    config: Callable[[Mapping[str, str]], dict[str, Any]]
    beyond: frozenset[tuple[Role, Action]] = frozenset()
    least_nix: tuple[int, int, int] = (2, 33, 0)
    owner_variables: tuple[str, ...] = ()
    minter: Callable[[Mapping[str, str], str, str], Callable[[str], Trial]] | None = None

    def allowed(self, role: Role, *, public: bool) -> set[Action]:
        """Return all that a role can do to a cache."""
        needed = {
            Role.ANONYMOUS: _READER if public else frozenset(),
            Role.WRITER: _WRITER,
            Role.READER: _READER,
        }[role]
        return {*needed, *(action for who, action in self.beyond if who is role)}


def verified() -> tuple[str, ...]:
    """Return the names of the backends that can be verified."""
    return tuple(name for name, spec in BACKENDS.items() if spec.verification)


def backend(name: str) -> Backend:
    """Return the row of one of the backends in ``verified``; raises KeyError for another."""
    spec = BACKENDS[name]
    if spec.verification is None:
        raise KeyError(name)
    known = spec.verification()
    return Backend(
        name=name,
        service=spec.title,
        package=spec.package,
        costs=known.costs,
        variables=known.variables,
        config=known.config,
        beyond=beyond(name),
        least_nix=known.least_nix,
        owner_variables=known.owner_variables,
        minter=known.minter,
    )
