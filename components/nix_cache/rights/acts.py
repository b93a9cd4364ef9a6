"""Who must not be able to do what, and what a probe shows of it. Pure.

``probes`` tries each act.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nix_cache.rights.client import Client
from nix_cache.rights.trials import Outcome, Trial


class CallerRole(StrEnum):
    """Who sends the requests."""

    ANONYMOUS = "anonymous clients"
    WRITER = "the writer"
    READER = "the reader"
    JANITOR = "the janitor"


class ProbeAct(StrEnum):
    """What a probe shows to be possible or not."""

    READ = "read objects"
    LIST = "list the bucket"
    WRITE = "upload objects"
    WRITE_FOREIGN = "upload objects that Nix does not write"
    REPLACE = "replace nix-cache-info"
    DELETE = "delete objects"
    MINT = "create further key pairs for itself"
    MINT_OTHERS = "create key pairs for other users"
    UNSIGNED = "write without a signature, by its access key id alone"


@dataclass(frozen=True)
class Caller:
    """One in whose name requests are sent.

    Attributes:
        role: what it is to the cache.
        client: sends its requests.
        name: of the user; empty for anonymous clients.
        access_key_id: of the user.
        mint: tries to create a key pair of a user by name, and deletes it again; None where the
            service has no API for it.
        others: the names of other users of the cache, as the service has them.
        own: its own name, as the service has it.
    """

    role: CallerRole
    client: Client
    name: str = ""
    access_key_id: str = ""
    mint: Callable[[str], Trial] | None = None
    others: Sequence[str] = ()
    own: str = ""

    def __str__(self) -> str:
        named = {CallerRole.WRITER, CallerRole.READER}
        return f"{self.role} {self.name}" if self.role in named else str(self.role)


@dataclass(frozen=True)
class Site:
    """The bucket and its owner.

    Attributes:
        owner: sends the owner's requests: the positive controls, and the removal of what is left.
        anonymous: sends requests without a credential.
        region: what requests are signed for.
        is_public: whether anonymous clients are to read objects.
        can_mint: shows that the service creates key pairs for its administrator; None where it has
            no API for it.
        no_answer: the clients' errors that leave open whether unsigned requests are accepted. Any
            other error ends the probes.
    """

    owner: Client
    anonymous: Client
    region: str
    is_public: bool
    can_mint: Callable[[str], Trial] | None = None
    no_answer: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Probed:
    """What one probe showed.

    Attributes:
        caller: who, in words.
        role: who.
        act: what was tried.
        outcome: whether it is possible; unclear if the positive control failed.
        detail: the answers.
        left: the objects that could not be removed.
    """

    caller: str
    role: CallerRole
    act: ProbeAct
    outcome: Outcome
    detail: str
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.caller} can {self.act}"


UNSAFE = frozenset(
    {
        ProbeAct.READ,
        ProbeAct.LIST,
        ProbeAct.WRITE,
        ProbeAct.WRITE_FOREIGN,
        ProbeAct.REPLACE,
        ProbeAct.DELETE,
    }
)
"""What no cache may let anonymous clients do; ``READ`` is tried on private caches alone."""

_ANONYMOUS = (
    ProbeAct.LIST,
    ProbeAct.WRITE,
    ProbeAct.WRITE_FOREIGN,
    ProbeAct.REPLACE,
    ProbeAct.DELETE,
)
_MINTING = (ProbeAct.MINT, ProbeAct.MINT_OTHERS)
PROBES: dict[CallerRole, tuple[ProbeAct, ...]] = {
    CallerRole.ANONYMOUS: _ANONYMOUS,
    CallerRole.READER: (*_ANONYMOUS, *_MINTING),
    CallerRole.WRITER: (
        *(ProbeAct.LIST, ProbeAct.WRITE_FOREIGN, ProbeAct.REPLACE, ProbeAct.DELETE),
        *_MINTING,
        ProbeAct.UNSIGNED,
    ),
    CallerRole.JANITOR: (
        *(ProbeAct.WRITE, ProbeAct.WRITE_FOREIGN, ProbeAct.REPLACE),
        *_MINTING,
    ),
}
"""By role, what it must not be able to do."""
