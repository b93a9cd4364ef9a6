"""The reservation of a cache's names on its service, made before anything that bears them.

Providers of storage services adopt what exists already, and delete it on destroy. A reservation
asks the service first, in the preview, and refuses with the way out. It also asks at each run
whether the service answers, so an outage is one clear error before anything else happens.

There is one type for all backends. What to ask is the backend's ``Question``, found by the
backend's name: states keep the path of this module, and never that of a question.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pulumi
from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from nix_cache.backends.registry import BACKENDS
from nix_cache.config.spelling import Spelling

if TYPE_CHECKING:
    from nix_cache.arguments import CacheSettings

_SPELLING = "spelling"
_ALWAYS_KEPT = ("backend", "adopt", "problem")


class Question(Protocol):
    """What a backend asks its service before it uses names there."""

    @property
    def kept(self) -> Sequence[str]:
        """The inputs that the state keeps. Settings of a connection are not among them."""
        ...

    def problem(self, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        """Explain why the names cannot be used; empty if they can.

        Args:
            held: the inputs of the reservation as it is; empty for a new one.
            wanted: the inputs that it is to have. Those that a preview cannot know are unknown.
        """
        ...

    def changes(self, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> DiffResult:
        """Compare what the state keeps with the inputs that are wanted."""
        ...

    def new_id(self, wanted: Mapping[str, Any]) -> str:
        """Make the id of a new reservation."""
        ...


class NameReservationProvider(ResourceProvider):
    """Asks the backend's question, and makes nothing but the reservation itself."""

    serialize_as_secret_always = False  # it is a path of code, which the state need not encrypt

    def configure(self, req: ConfigureRequest) -> None:
        """Remember the stack's configuration; it goes into no resource."""
        self._config = req.config
        self._questions: dict[str, Question] = {}

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Ask the service. The answer goes to the program as an input, which the preview shows."""
        problem = self._question(news).problem(_olds, news)
        spelling = Spelling(news.get(_SPELLING, Spelling.CAMEL_CASE))
        return CheckResult({**news, "problem": spelling.spell(problem)}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep the reservation, unless the service refused it."""
        return CreateResult(self._question(props).new_id(props), self._granted(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare; a problem is a change, or the engine would go on."""
        found = self._question(_news).changes(_olds, _news)
        return DiffResult(
            changes=bool(found.changes or _news["problem"]),
            replaces=found.replaces,
            delete_before_replace=found.delete_before_replace,
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Keep the reservation as it is wanted now, unless the service refused it."""
        return UpdateResult(self._granted(_news))

    def _question(self, props: Mapping[str, Any]) -> Question:
        backend = str(props["backend"])
        if backend not in self._questions:
            self._questions[backend] = BACKENDS[backend].question(self._config)
        return self._questions[backend]

    def _granted(self, props: dict[str, Any]) -> dict[str, Any]:
        if props["problem"]:
            raise ValueError(props["problem"])
        kept = (*_ALWAYS_KEPT, *self._question(props).kept)
        return {key: props[key] for key in kept}


class NameReservation(Resource, module="nix-cache", name="NameReservation"):
    """The names that a cache uses on its service.

    Args:
        resource_name: the resource's name in the stack.
        cache: the cache. Its backend's question is asked; its names may exist if it adopts them.
        wanted: the inputs of that question.
        opts: as for any resource.
    """

    problem: pulumi.Output[str]
    """Why the names cannot be used; empty if they can."""

    def __init__(
        self,
        resource_name: str,
        cache: "CacheSettings",
        wanted: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "backend": cache.backend,
            **wanted,
            "adopt": cache.adopt,
            _SPELLING: cache.spelling.value,
            "problem": None,
        }
        super().__init__(NameReservationProvider(), resource_name, props, opts)


class RetiredClaimProvider(ResourceProvider):
    """The claims on single names that version 0.1.0 made. They can be read and deleted."""


def aliases_of_claim(name: str, kind: str) -> list[pulumi.Input[str | pulumi.Alias]]:
    """Name the claim of version 0.1.0 that a reservation continues.

    Args:
        name: the claim's name in the stack.
        kind: its type, which stacks in other languages keep under another token.
    """
    types = (f"pulumi-python:dynamic/nix-cache:{kind}", f"nix-cache:index:{kind}")
    return [pulumi.Alias(name=name, type_=type_) for type_ in types]
