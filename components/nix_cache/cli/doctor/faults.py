"""What can be wrong with a path in a cache: how bad it is, why it matters, and the fix."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from nix_cache.cli.doctor.finding import Finding, Level
from nix_cache.cli.machine.sizes import counted

_PUSH_AGAIN = (
    "run `nix-cache push --repair PATH` on a machine that has the path; if there is none, delete "
    "its narinfo as the bucket's owner"
)
_SIGN = (
    "run `nix-cache push PATH` on a machine that has the path, which signs it; if that has other "
    "contents, add --repair"
)


@dataclass(frozen=True)
class Advice:
    """One kind of fault.

    Attributes:
        level: how bad it is.
        headline: what is the case with some paths, after their number.
        why: why it matters.
        fix: what to do.
    """

    level: Level
    headline: str
    why: str
    fix: str


class Fault(Enum):
    """Every kind of fault that a path can have."""

    ABSENT = Advice(
        Level.ERROR,
        "not in the cache",
        "machines build what they cannot fetch",
        "run `nix-cache push PATH` on a machine that has the path",
    )
    UNREADABLE = Advice(
        Level.ERROR,
        "with a narinfo that Nix cannot read",
        "Nix stops, or takes the path as missing",
        _PUSH_AGAIN,
    )
    MISPLACED = Advice(
        Level.ERROR,
        "with the narinfo of something else",
        "Nix refuses it: it was moved or changed",
        _PUSH_AGAIN,
    )
    UNSIGNED = Advice(
        Level.ERROR,
        "not signed",
        "reading machines refuse it, and build it without a message",
        _SIGN,
    )
    UNKNOWN_KEY = Advice(
        Level.ERROR,
        "signed by keys that are not trusted alone",
        "reading machines refuse it, and build it without a message",
        "if that key is one of yours, list it in `retiredPublicKeys`, then sign all of its paths "
        f"with `nix-cache resign --owner PROFILE`; else {_SIGN}",
    )
    BAD_SIGNATURE = Advice(
        Level.ERROR,
        "with an invalid signature by a trusted key",
        "its narinfo was changed after it was signed: reading machines refuse it",
        f"find out who changed it; then {_PUSH_AGAIN}",
    )
    MALFORMED_SIGNATURE = Advice(
        Level.ERROR,
        "with a signature by a trusted key that has the wrong length",
        "Nix stops at it, even if another signature is valid",
        f"find out who changed it; then {_PUSH_AGAIN}",
    )
    FALSE_ADDRESS = Advice(
        Level.ERROR,
        "with a content address from which another path follows",
        "Nix refuses these paths, even if they are signed",
        f"find out who changed it; then {_PUSH_AGAIN}",
    )
    UNUSABLE_ADDRESS = Advice(
        Level.ERROR,
        "with a content address that does not match the references",
        "Nix stops at it, even if the path is signed",
        f"find out who changed it; then {_PUSH_AGAIN}",
    )
    COMPRESSION = Advice(
        Level.ERROR,
        "with a compression that Nix does not know",
        "Nix stops at it, or crashes",
        _PUSH_AGAIN,
    )
    NAR_HASH = Advice(
        Level.ERROR,
        "with a NarHash that is not a SHA-256",
        "Nix downloads the NAR and refuses it",
        _PUSH_AGAIN,
    )
    NAR_ABSENT = Advice(
        Level.ERROR,
        "without a NAR",
        "Nix trusts the narinfo and fails at the download; `nix copy` never repairs it",
        _PUSH_AGAIN,
    )
    NAR_CONTENT = Advice(
        Level.ERROR,
        "with a NAR that differs from its narinfo",
        "it was cut off, replaced or damaged: reading machines refuse it after the download",
        f"find out who changed it; then {_PUSH_AGAIN}",
    )
    NO_ANSWER = Advice(
        Level.ERROR,
        "that could not be downloaded",
        "machines cannot fetch them either",
        "check the storage, then run doctor again",
    )
    FILE_DIFFERS = Advice(
        Level.WARNING,
        "with another FileSize or FileHash than the stored NAR has",
        "Nix accepts these paths, as it never compares the two; other programs can refuse them",
        _PUSH_AGAIN,
    )
    REFERENCE_ABSENT = Advice(
        Level.WARNING,
        "referring to paths that are not in the cache",
        "a machine that has no other source for those has to build them",
        "run `nix-cache push PATH` on a machine that has the path: it pushes the whole closure",
    )
    REFERENCE_NOT_CHECKED = Advice(
        Level.NOT_CHECKED,
        "referring to paths of which it is not clear whether the cache has them",
        "",
        "run doctor again",
    )
    NAR_SIZE_UNKNOWN = Advice(
        Level.NOT_CHECKED,
        "with a NAR that was not compared, as the narinfo or the server states no size",
        "",
        "check their content with --deep",
    )
    NOT_READ = Advice(
        Level.NOT_CHECKED,
        "with a narinfo that was not read",
        "",
        f"look at that object; if it is not a narinfo, {_PUSH_AGAIN}",
    )
    NAR_NOT_CHECKED = Advice(
        Level.NOT_CHECKED,
        "with a NAR that was not checked",
        "",
        "fetch the path with `nix copy --from` into an empty store to check it; to replace it, "
        f"{_PUSH_AGAIN}",
    )


def findings(faults: Mapping[Fault, Sequence[str]]) -> Iterator[Finding]:
    """One finding for each kind of fault.

    Args:
        faults: for each kind, the paths that have it, with details.
    """
    for fault, items in faults.items():
        advice = fault.value
        count = counted(len(items), "path")
        yield Finding(
            advice.level, f"{count} {advice.headline}", advice.why, advice.fix, tuple(items)
        )
