"""What a policy document says of a request, by AWS's rules; refuses what it does not know.

The rules: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_ELEMENTS = {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "Condition"}
_IF_EXISTS = "IfExists"


class Decision(Enum):
    """What a document says: an explicit denial outweighs everything, silence allows nothing."""

    DENIED = "denied"
    ALLOWED = "allowed"
    SILENT = "silent"


@dataclass(frozen=True)
class Principal:
    """Who asks: `kind` is AWS, Service or Federated, `name` an ARN or a service's name."""

    kind: str
    name: str


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        action: as in `s3:GetObject`.
        resource: an ARN; None in a document that is about one thing, as a role's trust is.
        principal: who asks; None for an anonymous request.
        context: the condition keys and their values, lower-case `true` and `false` for booleans.
    """

    action: str
    resource: str | None = None
    principal: Principal | None = None
    context: Mapping[str, str] = field(default_factory=dict)


def decide(document: Mapping[str, Any], request: Request) -> Decision:
    """Evaluate a policy document for a request; raises NotImplementedError for unknown parts."""
    effects = {
        statement["Effect"]
        for statement in _listed(document["Statement"])
        if _applies(statement, request)
    }
    if "Deny" in effects:
        return Decision.DENIED
    return Decision.ALLOWED if "Allow" in effects else Decision.SILENT


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    if unknown := statement.keys() - _ELEMENTS:
        raise NotImplementedError(f"elements {sorted(unknown)} of a policy statement")
    if "NotAction" in statement:
        acts = not _any_like(statement["NotAction"], request.action, ignore_case=True)
    else:
        acts = _any_like(statement["Action"], request.action, ignore_case=True)
    return (
        acts
        and _concerns(statement.get("Principal"), request.principal)
        and (request.resource is None or _any_like(statement["Resource"], request.resource))
        and _holds(statement.get("Condition", {}), request.context)
    )


def _concerns(named: Any, principal: Principal | None) -> bool:
    """Return whether a statement is about a principal; one of an identity's policy names none."""
    if named is None or named == "*":
        return True
    if "*" in _listed(named.get("AWS", [])):
        return True
    return principal is not None and principal.name in _listed(named.get(principal.kind, []))


def _holds(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    known = {key.lower(): value for key, value in context.items()}
    return all(
        _holds_one(operator, known.get(key.lower()), _listed(expected))
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _holds_one(operator: str, actual: str | None, expected: Sequence[Any]) -> bool:
    name = operator.removesuffix(_IF_EXISTS)
    negative = name in {"StringNotEquals", "StringNotLike", "ArnNotEquals", "ArnNotLike"}
    if actual is None:
        return negative or operator.endswith(_IF_EXISTS)
    wanted = [str(value).lower() if isinstance(value, bool) else str(value) for value in expected]
    match name.replace("Not", ""):
        case "StringEquals" | "Bool":
            found = actual in wanted
        case "StringLike" | "ArnLike" | "ArnEquals":
            found = _any_like(wanted, actual)
        case _:
            raise NotImplementedError(f"condition operator {operator}")
    return found != negative


def _any_like(patterns: Any, value: str, *, ignore_case: bool = False) -> bool:
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return any(re.fullmatch(_expression(pattern), value, flags) for pattern in _listed(patterns))


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
