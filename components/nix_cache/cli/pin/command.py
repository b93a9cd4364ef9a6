"""The commands `nix-cache pin`, `unpin` and `pins`: their options."""

from typing import Annotated

import typer

from nix_cache.cli.options import (
    AsJson,
    Cache,
    KeepDays,
    KeepRevisions,
    Project,
    SameCache,
    WriterCache,
    one_cache,
    owner_option,
)

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="The name of the pin: letters, digits and the characters . _ + -",
        show_default=False,
    ),
]


def pin(
    name: _Name,
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A store path that the cache has, or a link to one such as ./result.",
            show_default=False,
        ),
    ],
    cache: WriterCache = None,
    keep_revisions: KeepRevisions = None,
    keep_days: KeepDays = None,
    as_json: AsJson = False,
) -> None:
    """Keep a store path under a name.

    `nix-cache gc` keeps it and its closure at any age, until the name is pinned to another path or
    unpinned. All writers of the cache can change all pins.
    """
    from nix_cache.cli.pin import session

    session.pin(cache, name, path, keep_revisions, keep_days, as_json=as_json)


def unpin(name: _Name, cache: WriterCache = None, as_json: AsJson = False) -> None:
    """End a pin.

    Its store paths are then kept as all others: by the age of their last push.
    """
    from nix_cache.cli.pin import session

    session.unpin(cache, name, as_json=as_json)


def pins(
    cache: Cache = None,
    owner: Annotated[str | None, owner_option("list and read objects in the bucket")] = None,
    same_cache: SameCache = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """List the pins of a cache.

    Prints for each its name, the store path that was pinned last, when and by which writer, and how
    many revisions are kept.
    """
    from nix_cache.cli.pin import listing

    listing.run(one_cache(cache, same_cache), project, owner, as_json=as_json)
