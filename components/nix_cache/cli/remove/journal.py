"""What an interrupted removal left to be removed: a file on this machine, for its user alone.

A removal that is killed between a narinfo and its NAR leaves a NAR that nothing names. The bucket
itself must not list it: a public bucket would publish the list.
"""

import hashlib
import io
import json
from collections.abc import Collection, Iterable
from pathlib import Path

from nix_cache.cli.inventory.contents import Contents, is_collectable, is_of_paths
from nix_cache.cli.inventory.realisations import PackedRealisations
from nix_cache.cli.machine import files
from nix_cache.cli.machine.places import user_place
from nix_cache.formats.manifest import Manifest


def due(
    left: frozenset[str],
    contents: Contents,
    going: Collection[str],
    realisations: PackedRealisations,
) -> frozenset[str]:
    """Return what is to be removed of what an interrupted removal left.

    Which path a build log or a debug info entry is of is not noted. So these stay if a path of
    that removal is in the cache and stays: it was not removed, or was pushed again. A realisation
    stays if the path that it names now is in the cache and stays.

    Args:
        left: the keys that were noted.
        contents: what is in the bucket.
        going: the hashes of the paths that are removed now.
        realisations: those in the bucket.
    """

    def is_there(name: str) -> bool:
        return name in contents.narinfos and name not in going

    left = frozenset(key for key in left if not is_there(realisations.path_of(key) or ""))
    narinfos = (key.removesuffix(".narinfo") for key in left if key.endswith(".narinfo"))
    if not any(map(is_there, narinfos)):
        return left
    return frozenset(key for key in left if is_collectable(key))


class Journal:
    """The journal of removals from one bucket.

    Args:
        manifest: the cache.
    """

    def __init__(self, manifest: Manifest) -> None:
        place = f"{manifest.endpoint.rstrip('/')}/{manifest.bucket}"
        name = hashlib.sha256(place.encode()).hexdigest()[:32]
        self.file: Path = user_place().state / "removals" / f"{name}.json"

    def left(self) -> frozenset[str]:
        """Return the keys that an interrupted removal noted; none if there is no usable file.

        Raises:
            ClientError: the file cannot be read.
        """
        content = files.read(self.file)
        try:
            found = json.loads(content)["keys"] if content else []
            return frozenset(key for key in found if isinstance(key, str) and is_of_paths(key))
        except (ValueError, TypeError, KeyError, RecursionError):
            return frozenset()

    def note(self, keys: Iterable[str]) -> None:
        """Note what is going to be removed, before it is.

        Raises:
            ClientError: the file cannot be written.
        """
        files.make_folder(self.file.parent, 0o700)
        content = io.BytesIO()
        content.write(b'{"keys": [')
        for place, key in enumerate(keys):
            content.write((f", {json.dumps(key)}" if place else json.dumps(key)).encode())
        content.write(b"]}\n")
        files.write(self.file, content.getvalue(), 0o600)

    def clear(self) -> None:
        """Forget it: everything was removed."""
        self.file.unlink(missing_ok=True)
