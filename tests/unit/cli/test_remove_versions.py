"""Which versions a removal finds, for few paths and for many."""

from collections.abc import Iterator
from typing import cast

import pytest

from nix_cache.cli.inventory.history import HistoricBucket
from nix_cache.cli.remove import versions
from nix_cache.cli.s3.answers import ObjectVersion

REMOVED = ("nar/a.nar", "nar/b.nar")


class ListedVersions:
    """A bucket with versions, of which a storage lists those whose key begins with a prefix."""

    def __init__(self, found: list[ObjectVersion]) -> None:
        self._found = found
        self.prefixes: list[str] = []

    def versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """List versions."""
        self.prefixes.append(prefix)
        return (one for one in self._found if one.key.startswith(prefix))


@pytest.mark.parametrize(("most", "prefixes"), [(2, [*REMOVED]), (1, [""])])
def test_versions_of_many_objects_are_listed_at_once_and_are_the_same(
    most: int, prefixes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of an object whose key begins as a removed one's stay, however they are listed."""
    monkeypatch.setattr(versions, "ONE_BY_ONE", most)
    keys = ("nar/a.nar", "nar/a.nar", "nar/a.nar.xz", "nar/b.nar", "nar/c.nar")
    found = [
        ObjectVersion(key, str(number), None, is_latest=True, is_marker=False)
        for number, key in enumerate(keys)
    ]
    bucket = ListedVersions(found)

    chosen = [*versions.versions_of(cast("HistoricBucket", bucket), REMOVED)]

    assert chosen == [one for one in found if one.key in REMOVED]
    assert bucket.prefixes == prefixes
