"""What has to change so that a resource is as its inputs want it."""

from collections.abc import Iterator
from dataclasses import dataclass

from pulumi.runtime.proto import provider_pb2

from tests.fakes.spaces_plugin.kind import Kind, without_zeros
from tests.fakes.spaces_plugin.wire import Properties, has_unknown

_ADDED, _REMOVED, _CHANGED = (
    provider_pb2.PropertyDiff.ADD,
    provider_pb2.PropertyDiff.DELETE,
    provider_pb2.PropertyDiff.UPDATE,
)
_REPLACING = {
    _ADDED: provider_pb2.PropertyDiff.ADD_REPLACE,
    _REMOVED: provider_pb2.PropertyDiff.DELETE_REPLACE,
    _CHANGED: provider_pb2.PropertyDiff.UPDATE_REPLACE,
}


@dataclass(frozen=True)
class Difference:
    """One property that has to change.

    Attributes:
        name: its name.
        sort: whether it is added, removed or changed, as the protocol has it.
        replaces: whether the resource has to be created again for it.
    """

    name: str
    sort: "provider_pb2.PropertyDiff.Kind.ValueType"
    replaces: bool


def differences(kind: Kind, there: Properties, wanted: Properties) -> Iterator[Difference]:
    """Yield what differs.

    Args:
        kind: the type of the resource.
        there: its state.
        wanted: its inputs, with defaults.
    """
    for name in sorted(kind.input_names()):
        old, new = there.get(name), wanted.get(name)
        if new is None and name in kind.computed:
            continue
        if not has_unknown(new) and kind.is_same(name, old, new):
            continue
        yield Difference(name, _sort(old, new), name in kind.replaced_by)


def response(found: list[Difference]) -> provider_pb2.DiffResponse:
    """Return the same in the words of the protocol."""
    changes = provider_pb2.DiffResponse
    replaces = [difference.name for difference in found if difference.replaces]
    return provider_pb2.DiffResponse(
        changes=changes.DIFF_SOME if found else changes.DIFF_NONE,
        diffs=[difference.name for difference in found],
        replaces=replaces,
        hasDetailedDiff=True,
        detailedDiff={
            difference.name: provider_pb2.PropertyDiff(
                kind=_REPLACING[difference.sort] if difference.replaces else difference.sort,
                inputDiff=False,
            )
            for difference in found
        },
    )


def _sort(old: object, new: object) -> "provider_pb2.PropertyDiff.Kind.ValueType":
    if _is_nothing(new):
        return _REMOVED
    return _ADDED if _is_nothing(old) else _CHANGED


def _is_nothing(value: object) -> bool:
    return without_zeros(value) is None
