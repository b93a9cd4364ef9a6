"""What the plugin has to know of a type of resource: its inputs, and how they are acted on."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from tests.fakes.spaces_plugin import FAKE
from tests.fakes.spaces_plugin.account import Account, RefusedError
from tests.fakes.spaces_plugin.inputs import Failure, failures, names
from tests.fakes.spaces_plugin.wire import Properties

REGIONS = (
    *("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3"),
    *("sfo2", "sfo3", "sgp1", "syd1", "tor1"),
)
"""Those that the official plugin 4.84 lets through."""


class UnfinishedError(Exception):
    """Something was made, but not all of it.

    Attributes:
        id: of the resource, which is there from now on.
        state: what is there.
    """

    def __init__(self, reason: str, id_: str, state: Properties) -> None:
        super().__init__(reason)
        self.id, self.state = id_, state


class Kind(abc.ABC):
    """One type of resource. All names are those that the engine uses."""

    token: ClassVar[str]
    args: ClassVar[type]
    """The SDK's class of its arguments."""
    replaced_by: ClassVar[frozenset[str]] = frozenset()
    """Inputs that cannot be changed."""
    computed: ClassVar[frozenset[str]] = frozenset()
    """Inputs that the service fills in where they are not given."""
    unsupported: ClassVar[frozenset[str]] = frozenset()
    """Inputs that only the official plugin knows what to do with."""
    outputs: ClassVar[frozenset[str]] = frozenset()
    """What is known only once it was made."""
    secret: ClassVar[frozenset[str]] = frozenset()
    defaults: ClassVar[Mapping[str, Any]] = {}

    def with_defaults(self, inputs: Properties) -> Properties:
        """Return the inputs, and the defaults of those that are not given."""
        return {**self.defaults, **{k: v for k, v in inputs.items() if v is not None}}

    def failures(self, inputs: Properties) -> list[Failure]:
        """All that is wrong with the inputs."""
        found = failures(self.args, inputs)
        found += [
            (name, f"is not supported by {FAKE}; use the official plugin for it")
            for name in sorted(self.unsupported & inputs.keys())
        ]
        return found or self.mistakes(inputs)

    def mistakes(self, inputs: Properties) -> list[Failure]:
        """Return what is wrong with inputs of the right types. They may be unknown."""
        return []

    def is_same(self, name: str, there: Any, wanted: Any) -> bool:
        """Return whether what is there is what an input asks for."""
        return bool(without_zeros(there) == without_zeros(wanted))

    def input_names(self) -> frozenset[str]:
        """All inputs."""
        return names(self.args)

    @abc.abstractmethod
    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Make it; gives back its id and its state.

        Raises:
            RefusedError: nothing was made.
            UnfinishedError: not all was made.
        """

    @abc.abstractmethod
    def read(self, account: Account, id_: str, state: Properties) -> Properties | None:
        """Its state as it is now, or None if it is gone.

        Raises:
            RefusedError: it cannot be reported.
        """

    @abc.abstractmethod
    def update(
        self, account: Account, id_: str, state: Properties, inputs: Properties
    ) -> Properties:
        """Change it; gives back its state.

        Raises:
            RefusedError: it was not changed.
        """

    @abc.abstractmethod
    def delete(self, account: Account, id_: str, state: Properties) -> None:
        """Remove it.

        Raises:
            RefusedError: it is still there.
        """

    def imported(self, given: str) -> tuple[str, Properties]:
        """Return the id and the least state of something that is to be imported.

        Raises:
            RefusedError: this type cannot be imported, or not under this id.
        """
        raise RefusedError(f"resources of type {self.token} cannot be imported, nor was {given!r}")


def by_region_and_name(given: str, what: str) -> tuple[str, str]:
    """Return the two parts of an id for an import.

    Raises:
        RefusedError: it has other parts.
    """
    region, comma, name = given.partition(",")
    if not (region and comma and name):
        raise RefusedError(f"importing a Spaces {what} requires the format: <region>,<name>")
    return region, name


def unknown_region(inputs: Properties) -> list[Failure]:
    """Return what is wrong with a region."""
    region = inputs.get("region")
    if isinstance(region, str) and region not in REGIONS:
        return [("region", f"{region!r} is none of {', '.join(REGIONS)}")]
    return []


def without_zeros(value: Any) -> Any:
    """Return a value without parts that the provider cannot distinguish from missing ones."""
    if isinstance(value, dict):
        kept = {key: without_zeros(item) for key, item in value.items()}
        value = {key: item for key, item in kept.items() if item is not None}
    elif isinstance(value, list):
        value = [without_zeros(item) for item in value]
    return value or None
