"""How the inputs of a dynamic resource differ from what is there."""

from collections.abc import Iterable, Mapping
from typing import Any

from pulumi.dynamic import DiffResult
from pulumi.output import Unknown


def difference(
    olds: Mapping[str, Any],
    news: Mapping[str, Any],
    *,
    replaced_by: Iterable[str],
    updated_by: Iterable[str] = (),
    delete_before_replace: bool = False,
) -> DiffResult:
    """Return what a change of inputs takes.

    Args:
        olds: the outputs that are kept, as the last refresh saw them.
        news: the inputs. One that a preview does not know yet counts as changed.
        replaced_by: names of inputs that make another resource of it.
        updated_by: names of inputs that can be changed in place.
        delete_before_replace: whether the service cannot have both at once.
    """

    def differs(name: str) -> bool:
        return isinstance(news.get(name), Unknown) or olds.get(name) != news.get(name)

    replaces = [name for name in replaced_by if differs(name)]
    return DiffResult(
        changes=bool(replaces) or any(map(differs, updated_by)),
        replaces=replaces,
        delete_before_replace=delete_before_replace,
    )
