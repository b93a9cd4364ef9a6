"""The strict reader of policy documents. Pure.

Services read the same text differently. MinIO decodes it with Go's encoding/json: element names
match without regard to case, the long s and the Kelvin sign included, the last of repeated elements
counts, and unknown elements are ignored. AWS refuses such documents. So whatever is not spelled as
AWS documents it, repeated, or unknown is refused here: no service can read it as something else.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nix_cache.iam.values import read

MOST_CHARACTERS = 256 * 1024
"""More than any service takes: AWS and MinIO refuse bucket policies of more than 20 KiB."""

_DOCUMENT = ("Version", "Id", "ID", "Statement")
"""``ID`` is how MinIO spells it when it returns a document."""

_STATEMENT = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
_PRINCIPALS = ("AWS", "CanonicalUser", "Federated", "Service")
_VERSIONS = ("2012-10-17", "2008-10-17")
_EFFECTS = ("Allow", "Deny")

_COMPARISONS = (
    *(f"String{kind}" for kind in ("Equals", "NotEquals", "Like", "NotLike")),
    *(f"String{kind}IgnoreCase" for kind in ("Equals", "NotEquals")),
    *(
        f"{type_}{kind}"
        for type_ in ("Numeric", "Date")
        for kind in (
            *("Equals", "NotEquals"),
            *("LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"),
        )
    ),
    *(f"Arn{kind}" for kind in ("Equals", "NotEquals", "Like", "NotLike")),
    *("Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "Null"),
)
_OPERATORS = tuple(
    f"{qualifier}{comparison}{ending}"
    for qualifier in ("", "ForAllValues:", "ForAnyValue:")
    for comparison in _COMPARISONS
    for ending in ("", "IfExists")
)


class DocumentError(ValueError):
    """A document that some service could read differently, or that is none.

    Attributes:
        problem: the rest of "the policy ...".
        fix: what to do about it, as an order.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


def statements_of(document: Any) -> list[Mapping[str, Any]]:
    """Return the statements of a document, in which every element is known and occurs once.

    Args:
        document: its JSON, or the parsed object, as programs may also pass it to a resource.

    Raises:
        DocumentError: it is not a policy document, or not an unambiguous one.
        NotYetKnownError: a part of it is not known yet.
    """
    value = _loaded(document) if isinstance(document, str) else document
    if not isinstance(value, Mapping):
        raise DocumentError(
            "is not a JSON object", 'write {"Version": "2012-10-17", "Statement": […]}'
        )
    _require_names(value, _DOCUMENT, "element", "the document")
    for name in ("Id", "ID"):
        _require_text(value, name)
    if "Version" in value and read(value, "Version") not in _VERSIONS:
        raise DocumentError(
            f"has the Version {_shown(value['Version'])}", f'write "Version": "{_VERSIONS[0]}"'
        )
    found = read(value, "Statement")
    statements = [read(one) for one in (found if isinstance(found, list | tuple) else [found])]
    if not statements or statements == [None]:
        raise DocumentError("has no Statement", "write a list with at least one statement")
    for statement in statements:
        _require_statement(statement)
    return statements


def _loaded(text: str) -> Any:
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(
            f"has {len(text)} characters", f"write at most {MOST_CHARACTERS}, in fewer statements"
        )
    try:
        value = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise DocumentError("is nested too deeply", "write plain statements") from None
    except UnicodeEncodeError:
        raise DocumentError(
            "has half of a surrogate pair, which is not Unicode", "write the character itself"
        ) from None
    except DocumentError:
        raise
    except ValueError:
        raise DocumentError("is not JSON", "write one JSON object and nothing after it") from None
    return value


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _require_distinct([name for name, _ in pairs])
    return dict(pairs)


def _refuse_constant(text: str) -> None:
    raise DocumentError(f"has {text}, which is not JSON", "write a number or a text")


def _require_distinct(names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.get(name.casefold())
        if first is not None:
            both = f"{first!r} and {name!r}" if first != name else f"{name!r} twice"
            raise DocumentError(
                f"has {both} in one object, of which MinIO takes the last",
                f"write {first} once, with everything that is meant",
            )
        seen[name.casefold()] = name


def _require_names(named: Mapping[str, Any], known: Sequence[str], kind: str, where: str) -> None:
    """Refuse names that are repeated, unknown, or in another letter case than documented."""
    if not all(isinstance(name, str) for name in named):
        raise DocumentError(f"has a name in {where} that is not text", "write a JSON object")
    _require_distinct(named)
    by_folded = {name.casefold(): name for name in reversed(known)}
    for name in named:
        if name in known:
            continue
        if spelled := by_folded.get(name.casefold()):
            raise DocumentError(
                f"spells the {kind} {spelled} as {name!r} in {where}, which MinIO reads as "
                f"{spelled} and AWS does not",
                f"write {spelled}",
            )
        raise DocumentError(
            f"has the unknown {kind} {name!r} in {where}",
            f"remove it, or correct it: {_few(known)}",
        )


def _few(known: Sequence[str]) -> str:
    return (
        f"use {', '.join(known)}" if len(known) <= 10 else "see AWS's list of condition operators"
    )


def _require_statement(statement: Any) -> None:
    if not isinstance(statement, Mapping):
        raise DocumentError(
            f"has a statement that is {_shown(statement)}, not an object",
            'write {"Effect": …, "Action": …, "Resource": …}',
        )
    _require_names(statement, _STATEMENT, "element", "a statement")
    _require_text(statement, "Sid")
    if read(statement, "Effect") not in _EFFECTS:
        raise DocumentError(
            f"has a statement with the Effect {_shown(statement.get('Effect'))}, not Allow or Deny",
            "write Allow or Deny, in this letter case",
        )
    for element in ("Principal", "Action", "Resource"):
        negation = f"Not{element}"
        if element in statement and negation in statement:
            raise DocumentError(
                f"has a statement with both {element} and {negation}", "keep one of the two"
            )
    if "Action" not in statement and "NotAction" not in statement:
        raise DocumentError("has a statement without an Action", "name the actions")
    for element, require in _VALUES.items():
        if element in statement:
            require(read(statement, element), element)


def _require_text(mapping: Mapping[str, Any], name: str) -> None:
    if name in mapping and not isinstance(read(mapping, name), str):
        raise DocumentError(f"has something else than text in {name}", "write a text")


def _require_texts(value: Any, element: str) -> None:
    texts = [read(one) for one in (value if isinstance(value, list | tuple) else [value])]
    if not texts:
        raise DocumentError(f"has an empty list in {element}", f"name something in {element}")
    for text in texts:
        if not isinstance(text, str):
            raise DocumentError(f"has something else than text in {element}", "write texts")
        if not text:
            raise DocumentError(f"has an empty text in {element}", "remove the empty text")


def _require_actions(value: Any, element: str) -> None:
    _require_texts(value, element)
    for action in value if isinstance(value, list | tuple) else [value]:
        if not (action.isascii() and action.isprintable() and " " not in action):
            raise DocumentError(
                f"has the {element} {action!r}, with characters that no action has",
                "write an action such as s3:GetObject, in plain letters",
            )


def _require_principals(value: Any, element: str) -> None:
    if value == "*":
        return
    if not isinstance(value, Mapping):
        raise DocumentError(
            f"has a {element} that is {_shown(value)}, neither '*' nor an object",
            'write "*" or {"AWS": […]}',
        )
    _require_names(value, _PRINCIPALS, "kind", f"a {element}")
    if not value:
        raise DocumentError(f"has an empty {element}", "name who is meant")
    for kind in value:
        _require_texts(read(value, kind), element)


def _require_conditions(value: Any, element: str) -> None:
    if not isinstance(value, Mapping):
        raise DocumentError(f"has a {element} that is not an object", "write operators and keys")
    _require_names(value, _OPERATORS, "operator", f"a {element}")
    for operator in value:
        compared = read(value, operator)
        if not isinstance(compared, Mapping):
            raise DocumentError(
                f"has the operator {operator} with {_shown(compared)}, not an object",
                f'write "{operator}": {{KEY: VALUE}}',
            )
        _require_names(compared, tuple(compared), "key", operator)
        for key in compared:
            values = read(compared, key)
            for one in values if isinstance(values, list | tuple) else [values]:
                if not isinstance(read(one), str | bool | int | float):
                    raise DocumentError(
                        f"has {_shown(one)} for the key {key!r} of a {element}", "write a text"
                    )


_VALUES: Mapping[str, Callable[[Any, str], None]] = {
    "Principal": _require_principals,
    "NotPrincipal": _require_principals,
    "Action": _require_actions,
    "NotAction": _require_actions,
    "Resource": _require_texts,
    "NotResource": _require_texts,
    "Condition": _require_conditions,
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
