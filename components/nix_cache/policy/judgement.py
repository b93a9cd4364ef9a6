"""What a rule finds in a resource, once the exceptions of the stack are applied. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nix_cache.iam.values import NotYetKnownError
from nix_cache.policy.model import Context, Resource, Rule, UnreadableError

EXCEPTIONS: Final[Mapping[str, dict[str, Any]]] = {
    "exceptions": {
        "type": "object",
        "additionalProperties": {"type": "string", "minLength": 10},
        "description": "by a resource's name or URN, the reason why the rule does not hold for it",
        "default": {},
    }
}
"""The setting that every rule has: the resources that it exempts, each with a reason."""

_WHY_UNREADABLE = "services read such a document differently, so it can permit what no rule sees"


@dataclass(frozen=True)
class Verdict:
    """What a rule found in one resource.

    Attributes:
        violations: messages, each a whole one.
        not_yet_known: why the rule has no result, or empty.
        exception: the exception without which there would be more, or nothing.
    """

    violations: Sequence[str] = ()
    not_yet_known: str = ""
    exception: str = ""


def judge(rule: Rule, resource: Resource, context: Context) -> Verdict:
    """Check a resource with a rule."""
    violations: list[str] = []
    not_yet_known = ""
    try:
        for what in rule.check(resource, context):
            violations += [_violation(resource, what, rule.why, rule.fix)]
    except UnreadableError as mistake:
        violations.append(_violation(resource, mistake.problem, _WHY_UNREADABLE, mistake.fix))
    except NotYetKnownError as missing:
        not_yet_known = str(missing)
    exceptions: Mapping[str, str] = context.settings.get("exceptions", {})
    names = (resource.urn, resource.name)
    spared = next((name for name in names if exceptions.get(name, "").strip()), "")
    if spared and (violations or not_yet_known):
        return Verdict(exception=spared)
    return Verdict(violations, not_yet_known)


def _violation(resource: Resource, what: str, why: str, fix: str) -> str:
    return f"{resource.name} {what}\n  why: {why}\n  fix: {fix}"
