"""What became of a bucket's lifecycle. Pure."""

from collections.abc import Iterable, Iterator

from nix_cache.backends.drift import BACK_TO_STACK, LEFT_TO_OTHERS, Act, Finding, Repair
from nix_cache.backends.minio.drift.acts import ActKind
from nix_cache.backends.minio.drift.declared import DeclaredBucket, DeclaredRule
from nix_cache.backends.minio.drift.seen import SeenBucket
from nix_cache.iam.lifecycle import OWN_KEYS
from nix_cache.iam.lifetimes import Expiry, lost


def lifecycle_finding(made: DeclaredBucket, there: SeenBucket) -> Iterator[Finding]:
    """Yield how a bucket's lifecycle differs."""
    if made.rules == there.rules and (made.rules or not made.other_rules):
        return
    # Rules of the user's own can say more than is read of them, so their names count.
    if there.rules and _ids(there.rules) in map(_ids, made.other_rules):
        return
    if made.other_rules and not made.rules:
        [meant, *_] = made.other_rules
        yield Finding(
            f"the lifecycle of the bucket {made.name} {_change(meant, there.rules)}",
            _in_words(meant),
            _in_words(there.rules),
            LEFT_TO_OTHERS,
        )
        return
    yield Finding(
        f"the lifecycle of the bucket {made.name} {_change(made.rules, there.rules)}",
        _in_words(made.rules),
        _in_words(there.rules),
        BACK_TO_STACK if made.rules else "removes it",
        repair=Repair()
        if made.rules
        else Repair(before=(Act(ActKind.REMOVE_LIFECYCLE, made.name),)),
    )


def _ids(rules: frozenset[DeclaredRule]) -> set[str]:
    return {rule.id for rule in rules}


def _change(before: frozenset[DeclaredRule], after: frozenset[DeclaredRule]) -> str:
    if not after:
        return "was deleted: nothing expires"
    if len(before) != len(after):
        change = f"has {_counted(after)} instead of {len(before) or 'none'}"
    else:
        one = min(after - before or after, key=lambda rule: rule.prefix)
        change = f"has {len(after - before)} other rules of {len(after)}, such as {_rule(one)}"
    found = [Expiry(rule.prefix, 0) for rule in _ending(after)]
    removed = dict.fromkeys(key for key, _ in lost(found, OWN_KEYS))
    return f"{change}, and deletes {', '.join(removed)}" if removed else change


def _ending(rules: Iterable[DeclaredRule]) -> Iterator[DeclaredRule]:
    """Yield the rules by which something expires."""
    return (rule for rule in rules if rule.expiration and not rule.extra)


def _in_words(rules: frozenset[DeclaredRule]) -> str:
    if not rules:
        return "nothing expires"
    ends = ", ".join(sorted({rule.expiration for rule in rules if rule.expiration}))
    return f"{_counted(rules)}, after {ends or 'no time'}"


def _rule(rule: DeclaredRule) -> str:
    extra = f" ({rule.extra})" if rule.extra else ""
    return f"{rule.prefix or 'all'}* after {rule.expiration or 'no time'}{extra}"


def _counted(rules: frozenset[DeclaredRule]) -> str:
    return f"{len(rules)} rule{'s' if len(rules) != 1 else ''}"
