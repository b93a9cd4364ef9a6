"""Listings and the debug info index follow from what a NAR holds."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings

from nix_cache.formats.nar_listing import debug_info_objects, listing_object
from nix_cache.formats.nar_writer import Entry, FileEntry, FolderEntry, LinkEntry, nar_chunks
from tests.unit.formats.file_trees import File, Folder, Node, nodes, write

PATH = f"/nix/store/{'0' * 32}-name"
FILE = FileEntry(96, 1, executable=False)
REST = "0" * 38


def folders(path: str, entry: Entry) -> Entry:
    """Return an entry within directories."""
    for name in reversed(path.split("/")):
        entry = FolderEntry({name.encode(): entry})
    return entry


def files(node: Node, entry: Entry) -> Iterator[tuple[File, FileEntry]]:
    """Yield the files of a tree, each with its entry."""
    match node, entry:
        case File(), FileEntry():
            yield node, entry
        case Folder(nodes_by_name), FolderEntry(entries):
            assert nodes_by_name.keys() == entries.keys()
            for name, inner in nodes_by_name.items():
                yield from files(inner, entries[name])


@settings(deadline=None, max_examples=60)
@given(nodes)
def test_every_file_is_found_at_its_offset(node: Node) -> None:
    """Readers of listings fetch a part of a NAR."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "path")
        write(node, path)
        listing: list[Entry] = []
        content = b"".join(nar_chunks(path, chunk_size=50, case_hack=False, listing=listing))

    for file, entry in files(node, listing[0]):
        assert content[entry.nar_offset : entry.nar_offset + entry.size] == file.content
        assert entry.executable == file.executable


def test_a_listing_has_the_form_that_nix_writes() -> None:
    """Sorted, without blanks, and in UTF-8."""
    root = FolderEntry(
        {
            b"run": FileEntry(500, 3, executable=True),
            b"link": LinkEntry('ä"'.encode()),
            b"a": FolderEntry({}),
            b"file": FILE,
        }
    )
    listing = listing_object(PATH, root)
    assert listing is not None
    assert listing.key == f"{'0' * 32}.ls"
    assert listing.content_type == "application/json"
    assert (
        listing.content
        == (
            '{"root":{"entries":{"a":{"entries":{},"type":"directory"},'
            '"file":{"narOffset":96,"size":1,"type":"regular"},'
            '"link":{"target":"ä\\"","type":"symlink"},'
            '"run":{"executable":true,"narOffset":500,"size":3,"type":"regular"}},'
            '"type":"directory"},"version":1}'
        ).encode()
    )


def test_names_that_json_cannot_hold_have_no_listing() -> None:
    assert listing_object(PATH, FolderEntry({b"\xff": FILE})) is None
    assert listing_object(PATH, LinkEntry(b"\xff")) is None


def index(root: Entry) -> dict[str, Any]:
    """Return the debug info index of a path, by key."""
    objects = list(debug_info_objects("nar/x.nar.zst", root))
    return {each.key: json.loads(each.content) for each in objects}


def test_files_named_by_a_build_id_are_indexed() -> None:
    root = folders(f"lib/debug/.build-id/ab/{REST}.debug", FILE)
    assert index(root) == {
        f"debuginfo/ab{REST}.debug": {
            "archive": "../nar/x.nar.zst",
            "member": f"lib/debug/.build-id/ab/{REST}.debug",
        }
    }


def test_nothing_else_is_indexed() -> None:
    name = f"{REST}.debug"
    for root in [
        FILE,
        folders("lib/debug/.build-id", FILE),
        folders("lib/debug/.build-id/ab", FILE),
        folders(f"lib/debug/.build-id/abc/{name}", FILE),
        folders(f"lib/debug/.build-id/AB/{name}", FILE),
        folders(f"lib/debug/.build-id/ab/{name}", LinkEntry(b"x")),
        folders(f"lib/debug/.build-id/ab/{name}", FolderEntry({})),
        folders(f"lib/debug/.build-id/ab/{REST}", FILE),
        folders(f"lib/debug/.build-id/ab/\n{name}", FILE),
        folders(f"debug/.build-id/ab/{name}", FILE),
    ]:
        assert index(root) == {}
