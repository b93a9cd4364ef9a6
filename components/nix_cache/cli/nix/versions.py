"""Known traps of versions of Nix. Pure.

Which versions do what was found by reading Nix's release notes and issues, and by running them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Version = tuple[int, int, int]

_MODERN: Version = (2, 33, 0)
"""The first with Nix's own S3 code, instead of that of the AWS SDK."""

_B2_WORKS: Version = (2, 34, 2)
_NO_WEB_IDENTITY = (((2, 33, 0), (2, 33, 3)), ((2, 34, 0), (2, 34, 1)))
"""First and last version of each gap."""


@dataclass(frozen=True)
class Trap:
    """A way in which a version of Nix fails.

    Attributes:
        problem: what is wrong with the version.
        why: what follows from it.
        fix: what to do about it.
        is_fatal: whether nothing works with it.
    """

    problem: str
    why: str
    fix: str
    is_fatal: bool


def version_traps(
    version: Version, backend: str, *, speaks_s3: bool, environment: Mapping[str, str]
) -> Iterator[Trap]:
    """Return the traps of one version of Nix, for one cache.

    Args:
        version: the version.
        backend: the cache's.
        speaks_s3: whether this machine's Nix reads the cache over S3. Over HTTP, no trap is known.
        environment: that of Nix.
    """
    if not speaks_s3:
        return
    nix = f"Nix {spelled(version)}"
    if backend == "b2" and version < _B2_WORKS:
        yield Trap(
            f"{nix} is incompatible with Backblaze B2",
            "B2 rejects checksums that it sends along",
            f"install Nix {spelled(_B2_WORKS)} or newer",
            is_fatal=True,
        )
    elif version < _MODERN:
        yield Trap(
            f"{nix} is older than {spelled(_MODERN)}",
            "its S3 code differs: a 403 is not taken as missing, and environment credentials do "
            "not come first",
            "install a newer Nix",
            is_fatal=False,
        )
    if "AWS_WEB_IDENTITY_TOKEN_FILE" in environment and any(
        first <= version <= last for first, last in _NO_WEB_IDENTITY
    ):
        yield Trap(
            f"{nix} does not know web identities, and this environment has one",
            "it finds no credential, and sends anonymous requests",
            "install Nix 2.33.4, 2.34.2 or newer",
            is_fatal=True,
        )


def spelled(version: Version) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))
