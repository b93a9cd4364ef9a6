"""Is what expires safe to expire? The bucket's lifecycle, against the component's own rules."""

from collections.abc import Iterable, Iterator
from typing import Any

from nix_cache.cli.doctor.contents import REPAIR
from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.answers import LifecycleRule
from nix_cache.cli.s3.errors import AnsweredError, MalformedAnswerError
from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS, OWN_KEYS, expiry_rules
from nix_cache.iam.lifecycle_rules import expiries_of_rules
from nix_cache.iam.lifetimes import FOREVER, Expiry, early_nars, lost


def lifecycle(subject: Subject) -> Iterator[Finding]:
    """Yield whether no rule takes what must stay, and NARs outlive their narinfos."""
    if subject.as_owner is None:
        yield not_checked(
            "the bucket's lifecycle",
            "only the bucket's owner can read it",
            "add --owner with a profile of the owner",
        )
        return
    try:
        rules = subject.as_owner.lifecycle()
    except AnsweredError as refusal:
        if refusal.code != "NoSuchLifecycleConfiguration":
            yield not_checked(
                "the bucket's lifecycle", f"the storage returned {refusal.code} to the owner"
            )
            return
        rules = ()
    except MalformedAnswerError as failure:
        yield not_checked("the bucket's lifecycle", str(failure), "check the endpoint")
        return
    yield from judged(list(expiries(rules)), subject.manifest.expire_after_days)


def expiries(rules: Iterable[LifecycleRule]) -> Iterator[Expiry]:
    """Yield what the rules of a bucket remove by age or date.

    Rules by tag are left out: nothing that Nix or the stack puts has a tag.

    Args:
        rules: the bucket's.
    """
    yield from expiries_of_rules({"rules": [_as_declared_in_code(rule) for rule in rules]})


def _as_declared_in_code(rule: LifecycleRule) -> dict[str, Any]:
    """Return a rule as providers spell it. A date counts as what removes the most: at once."""
    condition: dict[str, Any] = {"prefix": rule.prefix}
    if rule.has_tags:
        condition["tag"] = {"key": "stated"}
    return {
        "status": "Enabled" if rule.is_enabled else "Disabled",
        "filter": condition,
        "expiration": {"days": rule.days} if rule.days else {"date": "stated"},
    }


def judged(found: list[Expiry], declared_days: int) -> Iterator[Finding]:
    """Yield whether what expires is safe, and as declared.

    Args:
        found: what the bucket's rules remove.
        declared_days: after which entries should go; 0 if they should stay.
    """
    removed = [
        f"{key}, by the prefix {rule.prefix!r} after {rule.days:.0f} days"
        for key, rule in lost(found, OWN_KEYS)
    ]
    if removed:
        yield error(
            "the lifecycle rules expire the cache's metadata",
            "without nix-cache-info, Nix fails, or the next push creates another one",
            f"leave expiry to `expireAfterDays`, which spares them: {REPAIR}",
            removed,
        )
    if early := early_nars(found):
        nar_days, narinfo_days = early
        stay = "never do" if narinfo_days == FOREVER else f"do after {narinfo_days:.0f}"
        yield error(
            f"NARs expire after {nar_days:.0f} days, while narinfos {stay}",
            f"clients remember a narinfo for {NARINFO_TTL_DAYS} days, and then find no NAR",
            f"leave expiry to `expireAfterDays`, which keeps NARs longer: {REPAIR}",
        )
    elif not removed:
        yield _as_declared(found, declared_days)


def _as_declared(found: list[Expiry], declared_days: int) -> Finding:
    declared = {(rule.prefix, rule.days) for rule in expiry_rules(declared_days)}
    if {(rule.prefix, rule.days) for rule in found} == declared:
        when = f"expire after {declared_days} days" if declared_days else "never expire"
        return ok(f"paths {when}, as declared, and the cache's metadata stays")
    return warning(
        "the lifecycle rules are safe, but differ from the declared ones "
        f"(expireAfterDays is {declared_days})",
        "they were changed outside the stack",
        REPAIR,
    )
