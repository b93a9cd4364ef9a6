"""What `nix-cache resign` prints: what is signed and why, what is not, and how fast."""

from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.cli.machine import console
from nix_cache.cli.machine.console import Console
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.resign.plan import Signed, SigningPlan
from nix_cache.cli.resign.verdict import Ground, Settled, TrustTerms
from nix_cache.formats.manifest import Manifest

_SHOWN = 10
_RATE_AFTER_SECONDS = 2.0
"""Before, a rate says little."""

_FIELDS = {
    Ground.TRUSTED_KEY: "byTrustedKey",
    Ground.LOCAL_STORE: "asInLocalStore",
    Ground.BEFORE_LEAK: "beforeLeak",
}


def document(plan: SigningPlan, terms: TrustTerms, signed: Signed | None) -> dict[str, Any]:
    """Return the result for programs.

    Args:
        plan: what was to be signed.
        terms: what is trusted.
        signed: what was signed; None if nothing was to be.
    """
    grounds = plan.grounds() if signed is None else signed.grounds
    refused = {} if signed is None else signed.refused
    return {
        "dryRun": signed is None,
        "keyName": terms.key.name,
        "signed": {name: grounds.get(ground, 0) for ground, name in _FIELDS.items()},
        "alreadySigned": plan.settled[Settled.SIGNED],
        "needNoSignature": plan.settled[Settled.CONTENT_ADDRESSED],
        "untrusted": dict(sorted({**plan.untrusted, **refused}.items())),
        "gone": signed.gone if signed else 0,
        "repeated": signed.repeated if signed else 0,
        "seconds": round(signed.seconds, 3) if signed else 0.0,
    }


def print_plan(plan: SigningPlan, where: Console) -> None:
    """Print what would be signed and what would not."""
    console.columns(_rows(plan, plan.grounds(), "sign"), where)


def print_done(plan: SigningPlan, terms: TrustTerms, signed: Signed) -> None:
    """Print what was signed."""
    count = sum(signed.grounds.values())
    if not count:
        console.out.print("Nothing to sign.")
    else:
        console.out.print(
            f"Signed {counted(count, 'path')} with {terms.key.name} in {signed.seconds:.1f} s"
            f"{_rate(count, signed.seconds)}."
        )
    console.columns(_rows(plan, signed.grounds, "signed"))
    if signed.gone:
        console.note(f"{counted(signed.gone, 'path')} went meanwhile.")


def print_untrusted(untrusted: Mapping[str, str]) -> None:
    """Print what readers refuse, and the fix."""
    for line in untrusted_lines(untrusted):
        console.note(line)


def untrusted_lines(untrusted: Mapping[str, str]) -> Iterator[str]:
    """Yield what readers refuse, and the fix."""
    if not untrusted:
        return
    yield f"WARNING: readers refuse {counted(len(untrusted), 'path')} that cannot be trusted:"
    shown = sorted(untrusted.items())[:_SHOWN]
    yield from (f"  {name}: {reason}" for name, reason in shown)
    if len(untrusted) > _SHOWN:
        yield f"  and {len(untrusted) - _SHOWN} more; --json prints all"
    yield (
        "  Fix: build these paths and run `nix-cache push --repair` with them; or remove them with "
        "`nix-cache remove`."
    )


def remarks(terms: TrustTerms, manifest: Manifest) -> Iterator[str]:
    """Yield what has to be done besides."""
    if still := [key for key in terms.leaked if key in manifest.public_keys]:
        names = ", ".join(key.partition(":")[0] for key in still)
        yield (
            f"WARNING: readers still trust the leaked key {names}. Raise the writer's generation, "
            "set `trustedGenerations: []`, run `pulumi up`, and `nix-cache use` on every machine."
        )
    if terms.leaked and terms.before is None:
        yield (
            "Nothing that only a leaked key signed is trusted. If you know until when the key was "
            "secret, give that time with --before."
        )


def progress(count: int, total: int, seconds: float) -> str:
    """Return how far it is, in words.

    Args:
        count: how many paths were signed.
        total: how many there are to sign.
        seconds: how long that took.
    """
    left = ""
    if seconds >= _RATE_AFTER_SECONDS and count:
        minutes, rest = divmod(round(seconds * (total - count) / count), 60)
        left = f", {minutes}:{rest:02} left"
    return f"signed {count:,} of {total:,} paths{_rate(count, seconds)}{left}"


def _rows(
    plan: SigningPlan, grounds: Mapping[Ground, int], verb: str
) -> Iterator[tuple[str, str, str]]:
    for ground in Ground:
        if grounds.get(ground):
            yield verb, counted(grounds[ground], "path"), ground.value
    if not any(grounds.values()):
        yield verb, "nothing", ""
    for reason in Settled:
        if plan.settled[reason]:
            yield "keep", counted(plan.settled[reason], "path"), reason.value
    if plan.untrusted:
        yield "refuse", counted(len(plan.untrusted), "path"), "not trusted"


def _rate(count: int, seconds: float) -> str:
    return f", {count / seconds:.0f}/s" if seconds >= _RATE_AFTER_SECONDS else ""
