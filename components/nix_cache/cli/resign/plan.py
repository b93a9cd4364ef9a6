"""What a re-signing finds in a cache, and what it is going to sign."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from nix_cache.cli.nix import program
from nix_cache.cli.nix.closure import path_infos
from nix_cache.cli.resign.bucket import Bucket, Judged
from nix_cache.cli.resign.verdict import Ground, Settled, TrustTerms, Untrusted, is_evidence
from nix_cache.cli.upload.held import states_same

_BATCH = 1000


@dataclass
class SigningPlan:
    """What is to be signed, and what is not.

    Attributes:
        signing: the narinfos to sign, each with its ground.
        settled: of how many nothing is to be done, by the reason.
        untrusted: those that are not signed, by store path or by key, with the reason.
    """

    signing: list[Judged] = field(default_factory=list)
    settled: Counter[Settled] = field(default_factory=Counter)
    untrusted: dict[str, str] = field(default_factory=dict)

    def grounds(self) -> Mapping[Ground, int]:
        """How many are to be signed, by the ground."""
        return Counter(one.verdict for one in self.signing if isinstance(one.verdict, Ground))

    def add(self, one: Judged) -> None:
        """Take up a narinfo that was judged; one that is gone is left out."""
        match one.verdict:
            case Ground():
                self.signing.append(replace(one, narinfo=None))
            case Settled() as reason:
                self.settled[reason] += 1
            case Untrusted(reason=reason):
                self.untrusted[one.path or one.key] = reason


@dataclass
class Signed:
    """What came of a run.

    Attributes:
        grounds: how many paths were signed, by the ground.
        refused: the paths that were to be signed and were not, with the reason.
        gone: how many narinfos were deleted meanwhile.
        repeated: how many signatures were made again, as another client had overwritten them.
        seconds: how long it took.
    """

    grounds: Counter[Ground] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    gone: int = 0
    repeated: int = 0
    seconds: float = 0.0


def make_plan(bucket: Bucket, terms: TrustTerms, progress: Callable[[str], None]) -> SigningPlan:
    """Read a cache's narinfos, and find out which are to be signed.

    Raises:
        ClientError: the storage or Nix failed.
    """
    progress("asking Nix which paths there are")
    local = _local_paths()
    keys = bucket.keys(progress)
    plan, possible = SigningPlan(), list[Judged]()
    for count, one in enumerate(bucket.judged(keys, terms, local), start=1):
        if one.narinfo is None:
            plan.add(one)
        else:
            possible.append(one)
        progress(f"read {count} of {len(keys)} narinfos")
    for one in _compared(possible, terms):
        plan.add(one)
    return plan


def _local_paths() -> frozenset[str]:
    """Return the paths in the local store; none without a Nix."""
    printed = program.output([*program.NIX, "path-info", "--all"])
    return frozenset() if printed is None else frozenset(printed.split())


def _compared(possible: list[Judged], terms: TrustTerms) -> Iterator[Judged]:
    """Yield the narinfos again, with another verdict if the local store has the same."""
    for start in range(0, len(possible), _BATCH):
        batch = possible[start : start + _BATCH]
        infos = path_infos([one.path for one in batch if one.path is not None])
        for one in batch:
            info = infos.get(one.path or "")
            is_same = (
                info is not None
                and one.narinfo is not None
                and states_same(one.narinfo, info)
                and is_evidence(info, terms)
            )
            yield replace(one, verdict=Ground.LOCAL_STORE) if is_same else one
