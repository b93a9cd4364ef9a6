"""One run of `nix-cache resign`: what the cache has, what is signed, and whether that is agreed to.

``docs/reference/cache-protocol.md`` says why nothing is lost beside pushes and collections.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.caches.manifest_rules import bucket_url
from nix_cache.cli.caches.target import find_target
from nix_cache.cli.limits import TIMES
from nix_cache.cli.machine import console
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.resign import report
from nix_cache.cli.resign.bucket import Bucket, Judged
from nix_cache.cli.resign.plan import Signed, SigningPlan, make_plan
from nix_cache.cli.resign.signer import find_terms
from nix_cache.cli.resign.verdict import Ground, TrustTerms, Untrusted
from nix_cache.cli.s3.clock import require_same_time
from nix_cache.cli.s3.credentials import owner_identity
from nix_cache.cli.upload import collections

SETTLING_SECONDS = TIMES.stalled_seconds
"""How long another client may take from reading a narinfo to writing it."""


@dataclass(frozen=True)
class SigningRequest:
    """What was asked for.

    Attributes:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile of one who may list, read and write.
        writer: whose key signs; None for the only one that is here.
        leaked: public keys that are not trusted any more.
        before: until when these were secret, in ISO 8601; None if that is not known.
        dry_run: whether it is only printed.
        agreed: whether the user agrees beforehand.
        jobs: how many requests there are at a time.
        is_dropped: whether the user confirms that the cache no longer has a leaked key that
            matches none of its keys.
    """

    cache: str | None
    project: Path | None
    owner: str
    writer: str | None
    leaked: tuple[str, ...]
    before: str | None
    dry_run: bool
    agreed: bool
    jobs: int
    is_dropped: bool = False


def run(request: SigningRequest, *, as_json: bool) -> bool:
    """Sign, and print what came of it.

    Args:
        request: what was asked for.
        as_json: whether the result is for programs.

    Returns:
        whether readers take all paths of the cache now.

    Raises:
        UsageError: the request makes no sense, or it cannot be agreed to.
        ClientError: the storage refused or did not answer, or a key to sign with is missing.
    """
    identity = owner_identity(request.owner)
    target = find_target(request.cache, request.project, secrets=True)
    target.require_place_for_owner()
    terms = find_terms(
        target, request.writer, request.leaked, request.before, is_dropped=request.is_dropped
    )
    with Progress() as progress:
        bucket = Bucket(target.manifest, identity, request.owner, request.jobs, progress.note)
        progress.tell(f"waiting for {target.manifest.endpoint}")
        if terms.before is not None:
            require_same_time(
                bucket.clocks(),
                "--before cannot be compared with the dates of objects; nothing was signed",
            )
        collections.when_ended(bucket.collections, progress.note)
        plan = make_plan(bucket, terms, progress.tell)
    for line in report.remarks(terms, target.manifest):
        console.note(line)
    if request.dry_run:
        if as_json:
            console.document(report.document(plan, terms, None))
        else:
            report.print_plan(plan, console.out)
            report.print_untrusted(plan.untrusted)
        return not plan.untrusted
    signed = Signed()
    if plan.signing:
        report.print_plan(plan, console.err)
        paths = counted(len(plan.signing), "path")
        question = f"Sign {paths} of {bucket_url(target.manifest)} with {terms.key.name}?"
        if not console.agreed(question, "nothing was signed", beforehand=request.agreed):
            console.note("Nothing was signed.")
            return False
        with Progress() as progress:
            signed = _sign(bucket, plan, terms, request.jobs, progress)
    if as_json:
        console.document(report.document(plan, terms, signed))
    else:
        report.print_done(plan, terms, signed)
    report.print_untrusted({**plan.untrusted, **signed.refused})
    return not (plan.untrusted or signed.refused)


def _sign(
    bucket: Bucket, plan: SigningPlan, terms: TrustTerms, jobs: int, progress: Progress
) -> Signed:
    done, started, total = Signed(), time.monotonic(), len(plan.signing)

    def sign(one: Judged) -> object:
        return bucket.sign(one, terms)

    for count, (one, outcome) in enumerate(in_parallel(sign, plan.signing, jobs), start=1):
        match outcome:
            case Ground():
                done.grounds[outcome] += 1
            case Untrusted(reason=reason):
                done.refused[one.path or one.key] = reason
            case _:
                done.gone += 1
        progress.tell(report.progress(count, total, time.monotonic() - started))
    if bucket.narinfos.needs_settling:
        progress.note(
            "The storage keeps no conditions of requests. Looking again after "
            f"{SETTLING_SECONDS:.0f} s whether another client overwrote a signature."
        )
        done.repeated = bucket.narinfos.settle(SETTLING_SECONDS)
    done.seconds = time.monotonic() - started
    return done
