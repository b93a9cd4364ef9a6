"""Known faults of versions of Nix and Lix that matter to readers of a binary cache. Pure.

``KNOWN_FAULTS`` is the one table of them: doctor and ``nix-cache use`` report them, and the page
about doctor shows it. Determinate Nix has the faults of its Nix. Pushes do
not go through Nix's own code, so a fault of its uploads is none here. The releases that fix a fault
were read from the tags of the repositories.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from nix_cache.cli.nix.versions import Flavour, InstalledNix, Version, spelled

Gap = tuple[Version, Version]
"""The first version with a fault, and the first one without."""

_FIRST: Version = (0, 0, 0)


class Condition(StrEnum):
    """When a fault matters. The text completes "It matters if the machine …"."""

    S3 = "reads a private cache, which is over S3"
    B2 = "reads a cache on Backblaze B2"
    WEB_IDENTITY = "gets its credential by a web identity, as in CI"
    CONTAINER = "gets its credential from the container that it is"
    SSO = "reads with a profile that logs in by SSO"
    PROXY = "reaches the cache through a proxy"


@dataclass(frozen=True)
class KnownFault:
    """A way in which some versions fail.

    Attributes:
        flavour: Nix, whose faults Determinate Nix has too, or Lix.
        gaps: the versions with the fault, and those without.
        conditions: all must hold for the fault to matter.
        problem: what is wrong, as the rest of a sentence after the version.
        why: what follows from it.
        is_fatal: whether reading fails, or the machine is unsafe.
        source: the public address that documents it.
    """

    flavour: Flavour
    gaps: tuple[Gap, ...]
    conditions: frozenset[Condition]
    problem: str
    why: str
    is_fatal: bool
    source: str

    @property
    def fix(self) -> str:
        """What to install."""
        fixed = [spelled(until) for _, until in self.gaps]
        versions = " or ".join(filter(None, [", ".join(fixed[:-1]), fixed[-1]]))
        return f"install {self.flavour} {versions} or newer"

    @property
    def affected(self) -> str:
        """The versions with it, for people."""
        texts = (
            f"before {spelled(until)}"
            if first == _FIRST
            else f"{spelled(first)} until before {spelled(until)}"
            for first, until in self.gaps
        )
        return f"{self.flavour} {', '.join(texts)}"

    def affects(self, nix: InstalledNix) -> bool:
        """Return whether a version has it."""
        is_lix = nix.flavour is Flavour.LIX
        return is_lix == (self.flavour is Flavour.LIX) and any(
            first <= nix.version < until for first, until in self.gaps
        )


_S3 = frozenset({Condition.S3})
_MODERN: Version = (2, 33, 0)
_CREDENTIAL_GAPS = ((_MODERN, (2, 33, 4)), ((2, 34, 0), (2, 34, 2)))

KNOWN_FAULTS = (
    KnownFault(
        Flavour.NIX,
        ((_FIRST, (2, 34, 2)),),
        frozenset({Condition.S3, Condition.B2}),
        "is incompatible with Backblaze B2",
        "B2 rejects requests of its S3 code, such as those with checksums",
        is_fatal=True,
        source="https://www.backblaze.com/docs/cloud-storage-s3-compatible-api",
    ),
    KnownFault(
        Flavour.NIX,
        ((_FIRST, _MODERN),),
        _S3,
        "reads S3 with the AWS SDK",
        "a 403 is not taken as missing, variables do not come before the profile, and large files "
        "are kept in memory",
        is_fatal=False,
        source="https://nix.dev/manual/nix/2.33/release-notes/rl-2.33",
    ),
    KnownFault(
        Flavour.NIX,
        (((2, 28, 0), (2, 28, 1)),),
        _S3,
        "cannot use S3",
        "its S3 store does not work, so reads fail",
        is_fatal=True,
        source="https://github.com/NixOS/nix/issues/12928",
    ),
    KnownFault(
        Flavour.NIX,
        ((_MODERN, (2, 33, 2)),),
        _S3,
        "signs the header Accept-Encoding",
        "a proxy or CDN in front of the storage changes that header, and the storage answers 403 "
        "SignatureDoesNotMatch, which Nix takes as missing",
        is_fatal=False,
        source="https://github.com/NixOS/nix/issues/15019",
    ),
    KnownFault(
        Flavour.NIX,
        _CREDENTIAL_GAPS,
        frozenset({Condition.S3, Condition.WEB_IDENTITY}),
        "does not know web identities",
        "it finds no credential, and sends anonymous requests",
        is_fatal=True,
        source="https://github.com/NixOS/nix/pull/15507",
    ),
    KnownFault(
        Flavour.NIX,
        _CREDENTIAL_GAPS,
        frozenset({Condition.S3, Condition.CONTAINER}),
        "does not know the credentials of containers",
        "it finds no credential, and sends anonymous requests",
        is_fatal=True,
        source="https://github.com/NixOS/nix/pull/15507",
    ),
    KnownFault(
        Flavour.NIX,
        ((_MODERN, (2, 33, 2)),),
        frozenset({Condition.S3, Condition.SSO}),
        "does not know SSO",
        "it finds no credential, and sends anonymous requests",
        is_fatal=True,
        source="https://github.com/NixOS/nix/commit/3034589047",
    ),
    KnownFault(
        Flavour.NIX,
        ((_FIRST, (2, 35, 0)),),
        frozenset({Condition.PROXY}),
        "takes the answers 401 and 407 as missing",
        "a proxy that asks for a login makes it remember for an hour that paths are missing",
        is_fatal=False,
        source="https://github.com/NixOS/nix/pull/15877",
    ),
    KnownFault(
        Flavour.NIX,
        (((2, 24, 0), (2, 24, 6)),),
        frozenset(),
        "writes files of a NAR outside of the store",
        "a harmful NAR can replace any file of this machine (CVE-2024-45593)",
        is_fatal=True,
        source="https://github.com/NixOS/nix/security/advisories/GHSA-h4vv-h3jq-v493",
    ),
    KnownFault(
        Flavour.NIX,
        (
            (_FIRST, (2, 28, 7)),
            ((2, 29, 0), (2, 29, 4)),
            ((2, 30, 0), (2, 30, 5)),
            ((2, 31, 0), (2, 31, 5)),
            ((2, 32, 0), (2, 32, 8)),
            (_MODERN, (2, 33, 6)),
            ((2, 34, 0), (2, 34, 7)),
        ),
        frozenset(),
        "does not limit how deep directories in a NAR are",
        "a harmful NAR of any cache overflows its stack",
        is_fatal=False,
        source="https://github.com/NixOS/nix/commit/e450709c1fd673e661e821d9cfcb74fcfcf7adc5",
    ),
    KnownFault(
        Flavour.LIX,
        ((_FIRST, (2, 92, 0)),),
        frozenset({Condition.S3, Condition.PROXY}),
        "does not use proxies for S3",
        "the variables http_proxy and https_proxy have no effect, so reads fail where only the "
        "proxy reaches the storage",
        is_fatal=True,
        source="https://git.lix.systems/lix-project/lix/issues/433",
    ),
)
"""Every fault, each with its source."""

_VARIABLES = {
    Condition.WEB_IDENTITY: ("AWS_WEB_IDENTITY_TOKEN_FILE",),
    Condition.CONTAINER: (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    Condition.PROXY: ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
}
"""The variables of which one is set where a condition holds."""


def conditions(
    backend: str, *, speaks_s3: bool, environment: Mapping[str, str], login: str | None = None
) -> frozenset[Condition]:
    """Return what holds for a machine and a cache.

    Args:
        backend: the cache's.
        speaks_s3: whether this machine's Nix reads the cache over S3.
        environment: that of Nix.
        login: the setting by which the profile of the read URL logs in, if it has no key pair.
    """
    found = {
        condition
        for condition, names in _VARIABLES.items()
        if any(environment.get(name) for name in names)
    }
    if speaks_s3:
        found.add(Condition.S3)
    if backend == "b2":
        found.add(Condition.B2)
    if login is not None and login.startswith("sso_"):
        found.add(Condition.SSO)
    return frozenset(found)


def faults_of(nix: InstalledNix, holding: Set[Condition]) -> Iterator[KnownFault]:
    """Return the known faults of a version that matter.

    Args:
        nix: the version.
        holding: the conditions that hold.
    """
    for fault in KNOWN_FAULTS:
        if fault.affects(nix) and fault.conditions <= holding:
            yield fault
