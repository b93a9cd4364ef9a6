"""Which paths of a cache are signed again, and why. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from nix_cache.formats.content_address import ContentAddressError
from nix_cache.formats.narinfo import Narinfo, verify
from nix_cache.formats.narinfo_trust import malformed_signatures, signers
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.realisation import Realisation
from nix_cache.formats.signing import SecretKey, name_of

_DATE_PRECISION = timedelta(seconds=1)
"""The storage leaves out what is less than a second."""


@dataclass(frozen=True)
class TrustTerms:
    """What is trusted.

    Attributes:
        key: what to sign with.
        trusted: the public keys that readers trust, without those that leaked.
        current: the names of those among them with which writers sign now.
        leaked: public keys that others may have.
        before: when these were still secret; None if that is not known.
    """

    key: SecretKey
    trusted: tuple[str, ...]
    current: frozenset[str]
    leaked: tuple[str, ...] = ()
    before: datetime | None = None

    @property
    def current_keys(self) -> tuple[str, ...]:
        """The public keys with which writers sign now."""
        return tuple(key for key in self.trusted if name_of(key) in self.current)


class Ground(Enum):
    """Why a path is signed."""

    TRUSTED_KEY = "signed by a trusted key"
    LOCAL_STORE = "the same as in the local store"
    BEFORE_LEAK = "signed by a leaked key before it leaked, with the NAR that was signed"


class Settled(Enum):
    """Why nothing is to be done for a path."""

    SIGNED = "signed by a current key"
    CONTENT_ADDRESSED = "content-addressed, so that no signature is needed"


@dataclass(frozen=True)
class Untrusted:
    """A path that is not signed.

    Attributes:
        reason: why, a clause.
        is_curable: whether it is signed if the local store has the same.
    """

    reason: str
    is_curable: bool = True


Verdict = Ground | Settled | Untrusted


def judge(key: str, narinfo: Narinfo, written: datetime | None, terms: TrustTerms) -> Verdict:
    """Return what is to be done with a path, by what the cache states of it.

    Args:
        key: the object that the narinfo is.
        narinfo: what it states.
        written: when it was written, by the storage's clock; None if that is not known.
        terms: what is trusted.
    """
    if narinfo.key != key:
        return Untrusted(f"its narinfo is that of {narinfo.store_path}", is_curable=False)
    try:
        if narinfo.is_content_addressed:
            return Settled.CONTENT_ADDRESSED
    except ContentAddressError:
        return Untrusted("no path follows from its content address", is_curable=False)
    if narinfo.content_address is not None:
        return Untrusted("another path follows from its content address", is_curable=False)
    valid = set(verify(narinfo, terms.trusted))
    if valid & terms.current and not malformed_signatures(narinfo, terms.trusted):
        return Settled.SIGNED
    if valid:
        return Ground.TRUSTED_KEY
    if by_leaked := verify(narinfo, terms.leaked):
        return _before_leak(", ".join(by_leaked), written, terms)
    if not narinfo.signatures:
        return Untrusted("it is not signed")
    trusted = {name_of(key) for key in (*terms.trusted, *terms.leaked)}
    names = {name_of(one) for one in narinfo.signatures}
    if names & trusted:
        return Untrusted(f"its signature by {', '.join(sorted(names & trusted))} is invalid")
    return Untrusted(f"it is signed by {signers(narinfo)} alone")


def judge_realisation(
    realisation: Realisation, written: datetime | None, terms: TrustTerms
) -> Verdict:
    """Return what is to be done with a realisation.

    Args:
        realisation: what the cache has.
        written: when it was written, by the storage's clock; None if that is not known.
        terms: what is trusted.
    """
    valid = set(realisation.signers(terms.trusted))
    if valid & terms.current:
        return Settled.SIGNED
    if valid:
        return Ground.TRUSTED_KEY
    if by_leaked := realisation.signers(terms.leaked):
        return _before_leak(", ".join(by_leaked), written, terms)
    return Untrusted("no trusted key signed this realisation", is_curable=False)


def is_evidence(info: PathInfo, terms: TrustTerms) -> bool:
    """Return whether a path of the local store shows what its contents have to be.

    Once a key leaked, the path may have come from the cache with a signature by that key. So
    it counts only if it was built on this machine, or was there before.
    """
    if not terms.leaked or info.ultimate:
        return True
    registered = info.registration_time
    return (
        terms.before is not None
        and registered is not None
        and registered < terms.before.timestamp()
    )


def _before_leak(names: str, written: datetime | None, terms: TrustTerms) -> Verdict:
    if terms.before is None:
        return Untrusted(f"only the leaked key {names} signed it")
    if written is None:
        return Untrusted(f"only the leaked key {names} signed it, and when is not known")
    if written + _DATE_PRECISION > terms.before:
        return Untrusted(f"only the leaked key {names} signed it, on {written:%Y-%m-%d %H:%M:%SZ}")
    return Ground.BEFORE_LEAK
