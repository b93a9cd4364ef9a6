"""What has no more use besides narinfos and NARs: file lists, realisations and records. Pure."""

from array import array

from nix_cache.cli.inventory.chosen import StoredObjects
from nix_cache.cli.inventory.contents import YOUNG, Contents, Stored
from nix_cache.cli.inventory.names import PackedNames
from nix_cache.cli.inventory.realisations import PackedRealisations
from nix_cache.cli.inventory.roots import left_to_upstream
from nix_cache.cli.inventory.terms import Terms, blocking


def stray_listings(contents: Contents, names: PackedNames, terms: Terms) -> StoredObjects:
    """Return the file lists that belong to no narinfo; none while one cannot be read."""
    listings, found = contents.listings, array("I")
    if len(listings) and not blocking(contents, terms):
        named = contents.narinfos.named(names)
        for number in listings.numbers():
            is_needed = listings.name(number) in names or listings.key(number) in named
            if not is_needed and not terms.is_young(listings.written(number)):
                found.append(number)
    return StoredObjects(listings, found)


def stray_realisations(
    realisations: PackedRealisations, contents: Contents, names: PackedNames, terms: Terms
) -> tuple[Stored, ...]:
    """Return the realisations of no more use; none while a narinfo cannot be read.

    One stays while its path does, and also if its path is not in the cache, but a push left it to
    an upstream cache, a path that stays refers to it, or a root record, a pin or an option names
    it: it may come back. So do those that it needs.

    Args:
        realisations: those that are there.
        contents: what else is there.
        names: the narinfos that stay.
        terms: what is to be collected.
    """
    if not len(realisations) or blocking(contents, terms):
        return ()
    expected = {*terms.roots, *terms.pinned, *terms.pushed}
    expected |= contents.narinfos.absent_references(names)
    expected |= left_to_upstream(terms.pushes)
    return realisations.useless(
        lambda name: name in names or name in expected,
        lambda stored: terms.is_young(stored.written),
    )


def stray_records(contents: Contents, names: PackedNames, terms: Terms) -> tuple[Stored, ...]:
    """Return root records and objects of pins that keep nothing any more.

    There are none while a narinfo cannot be read.

    A record that is too old goes, and so does one all of whose paths are in later records. These
    are older than ``YOUNG`` too, so that every collection under way has listed them. A record that
    alone has a reference which was left to an upstream cache stays while a path has the reference.

    Args:
        contents: what is there.
        names: the narinfos that stay.
        terms: what is to be collected.
    """
    if blocking(contents, terms):
        return ()
    settled = [
        (pushed.stored.written, pushed.stored.key, pushed)
        for pushed in terms.pushes
        if pushed.stored.written is not None and terms.now - pushed.stored.written > YOUNG
    ]
    missing = contents.narinfos.absent_references(names) if settled else set()
    gone = []
    paths: set[str] = set()
    upstream: set[str] = set()
    for *_, pushed in sorted(settled, key=lambda one: one[:2], reverse=True):
        keeps_paths = terms.is_root(pushed) and not pushed.paths <= paths
        if keeps_paths or pushed.upstream & (missing - upstream):
            paths |= pushed.paths
            upstream |= pushed.upstream
        else:
            gone.append(pushed.stored)
    return (*gone, *(stored for pin in terms.pins for stored in pin.useless))
