"""What rules see of a stack, and what a rule is. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Final

from nix_cache.iam.values import read


class UnreadableError(Exception):
    """A resource has something that a service may read differently. No rule lets it pass.

    Attributes:
        problem: the rest of "this resource ...".
        fix: what to do about it, as an order.
    """

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


@dataclass(frozen=True)
class Resource:
    """A resource: before it is made, as the program wants it; afterwards, as it is.

    Attributes:
        type: its type token.
        name: its name in the stack.
        urn: its name in the engine.
        properties: its inputs, or its outputs where a rule looks at the whole stack.
        protect: whether the engine refuses to delete it.
        secrets: the properties that are secrets; None where that cannot be seen.
        parent: the URN of the component that it is a part of.
        dependencies: by property, the URNs of the resources that its value comes from.
    """

    type: str
    name: str
    urn: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    protect: bool = False
    secrets: frozenset[str] | None = frozenset()
    parent: str = ""
    dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def read(self, *path: str) -> Any:
        """Return the value at a path in the properties; None if there is none.

        Raises:
            NotYetKnownError: it is not known yet.
        """
        return read(self.properties, *path)


DEVELOPMENT_STACKS: Final = ("dev", "test", "dev-*", "*-dev")
"""The names of stacks in which nothing has to last, unless the configuration names others."""


@dataclass(frozen=True)
class Context:
    """What a rule may look at besides the resource.

    Attributes:
        stack: the stack's name.
        settings: the rule's own settings, with their defaults.
        resources: the whole stack, for rules that look at it.
        environment: the engine's environment variables.
        stack_file: the stack's configuration file, parsed; None where it was not found.
    """

    stack: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    resources: Sequence[Resource] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stack_file: Mapping[str, Any] | None = None

    @property
    def is_development(self) -> bool:
        """Whether nothing in the stack has to last."""
        names = self.settings.get("developmentStacks", DEVELOPMENT_STACKS)
        return any(fnmatchcase(self.stack, name) for name in names)


class RuleScope(Enum):
    """When a rule is asked."""

    RESOURCE = "for each resource, before it is made or changed"
    STACK = "for each resource, once all of them are known"


@dataclass(frozen=True)
class Rule:
    """Something that has to hold.

    Attributes:
        id: its name in the pack's configuration.
        holds: what has to hold, as a sentence.
        why: what happens otherwise, as a sentence.
        fix: what to do about a violation.
        check: yields what is wrong with a resource, as the rest of "this resource ...". It raises
            ``NotYetKnownError`` when that depends on a value that is not known yet, and
            ``UnreadableError``, a violation, for what services may read differently.
        scope: when it is asked.
        settings: the JSON schemas of the rule's settings, with their defaults.
        is_advisory: whether a violation is only reported, unless the configuration says otherwise.
    """

    id: str
    holds: str
    why: str
    fix: str
    check: Callable[[Resource, Context], Iterator[str]]
    scope: RuleScope = RuleScope.RESOURCE
    settings: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    is_advisory: bool = False


FOR_PRODUCTION: Final[Mapping[str, dict[str, Any]]] = {
    "developmentStacks": {
        "type": "array",
        "items": {"type": "string"},
        "description": "stacks that the rule leaves alone, by name; * stands for anything",
        "default": list(DEVELOPMENT_STACKS),
    }
}
"""The setting of rules that only hold outside development."""
