"""Realisations, build logs, listings and the debug info index: as the real Nix writes them."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from nix_cache.cli.nix.build_log import log_objects
from nix_cache.cli.nix.closure import closure_of
from nix_cache.cli.nix.realisations import realisations_of
from nix_cache.formats import signing
from nix_cache.formats.cache_object import CacheObject
from nix_cache.formats.nar_listing import debug_info_objects, listing_object
from nix_cache.formats.nar_writer import Entry, nar_chunks
from nix_cache.formats.narinfo import Narinfo, narinfo_key
from nix_cache.formats.path_info import PathInfo
from tests.e2e.cache import Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.writer import WritingMachine
from tests.unit.formats.file_trees import File, Folder, Link, Node, write

KEY = signing.generate("cache.example.org-nixbuilder-1")

CONTENT_ADDRESSED = """\
let
  build = name: outputs: script: derivation {
    inherit name outputs;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
    __contentAddressed = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
  };
  below = build "below" [ "out" ] "echo first log >&2; echo below > $out";
in
build "ca-thing" [ "out" "dev" ] ''
  printf 'second log \\377\\n' >&2; echo ${below} > $out; echo ${below} > $dev
''
"""

BUILD_IDS = Folder(
    {
        b"ab": Folder({b"0" * 38 + b".debug": File(b"x", executable=False)}),
        b"cd": Folder(
            {
                b"1" * 38 + b".debug": File(b"yy", executable=True),
                b"2" * 38 + b".debug": Link(b"x"),
                b"other": File(b"x", executable=False),
            }
        ),
    }
)
WITH_DEBUG_INFO = Folder(
    {
        b"empty": File(b"", executable=False),
        b"run": File(b"#!/bin/sh\n", executable=True),
        'ä "quoted"\nname'.encode(): Link("../ä\x01\x7f".encode()),
        b"lib": Folder({b"debug": Folder({b".build-id": BUILD_IDS})}),
    }
)


def content_addressed(nix: Nix) -> str:
    """Turn content-addressed derivations on, and write a file with one."""
    nix.environment["NIX_CONFIG"] += "extra-experimental-features = ca-derivations\n"
    file = nix.folder / "ca.nix"
    file.write_text(CONTENT_ADDRESSED)
    return str(file)


def build(nix: Nix, file: str, *options: str) -> list[str]:
    """Build both outputs of it."""
    arguments = ["--no-link", "--print-out-paths", "--offline", "--file", file, "^*", *options]
    return nix.get("build", *arguments).split()


def closure(nix: Nix, *paths: str) -> list[PathInfo]:
    return closure_of(paths, nix.environment)


def stored(cache: Path, folder: str) -> dict[str, bytes]:
    """Return the objects below a folder of a file cache, by key."""
    return {
        str(file.relative_to(cache)): file.read_bytes()
        for file in (cache / folder).rglob("*")
        if file.is_file()
    }


def realisations_in(cache: Path) -> dict[str, bytes]:
    """Return the realisations in a file cache, by key."""
    return {**stored(cache, "realisations"), **stored(cache, "build-trace-v2")}


def by_key(objects: list[CacheObject]) -> dict[str, bytes]:
    return {each.key: each.content for each in objects}


def entry(nix: Nix, path: str) -> Entry:
    """Return the entry of a store path."""
    listing: list[Entry] = []
    outside = nix.store_folder / "store" / path.rpartition("/")[2]
    for _ in nar_chunks(outside, listing=listing):
        pass
    return listing[0]


def test_listings_and_debug_info_are_what_nix_copy_writes(nix: Nix) -> None:
    """Byte for byte, also of odd names; of a file and of a link, too."""
    cache = nix.folder / "cache"
    paths = []
    trees: dict[str, Node] = {
        "debug": WITH_DEBUG_INFO,
        "file": File(b"content", executable=False),
        "link": Link(b"nowhere"),
    }
    for name, node in trees.items():
        write(node, nix.folder / name)
        paths.append(nix.get("store", "add", str(nix.folder / name)))
    nix.get("copy", "--to", f"file://{cache}?write-nar-listing=true&index-debug-info=true", *paths)

    listings: dict[str, bytes] = {}
    for path in paths:
        listing = listing_object(path, entry(nix, path))
        assert listing is not None
        listings[listing.key] = listing.content
    assert listings == {key: text for key, text in stored(cache, ".").items() if "ls" in key[-3:]}
    url = Narinfo.parse((cache / narinfo_key(paths[0])).read_bytes()).url
    index = list(debug_info_objects(url, entry(nix, paths[0])))
    assert len(index) == 2
    assert by_key(index) == stored(cache, "debuginfo")


def test_realisations_are_what_nix_copy_writes(nix: Nix) -> None:
    """Of the derivation as Nix resolved it, which a store path names as its deriver."""
    paths = closure(nix, *build(nix, content_addressed(nix)))
    cache = nix.folder / "cache"
    nix.get("copy", "--to", f"file://{cache}", *(f"{info.deriver}^*" for info in paths))

    ours = realisations_of(paths, nix.environment, nix.store_folder / "store")

    assert len(ours) == len(paths) == 3
    assert by_key([each.cache_object() for each in ours]) == realisations_in(cache)


def test_realisations_are_signed_as_nix_signs_them(nix: Nix) -> None:
    """A Nix with a key signs what it builds."""
    key = nix.write_key(KEY.secret_text)
    signed = closure(nix, *build(nix, content_addressed(nix), "--secret-key-files", str(key)))
    by_nix = realisations_of(signed, nix.environment, nix.store_folder / "store")
    assert len(by_nix) == 3
    for each in by_nix:
        assert len(each.signatures) == 1
        assert replace(each, signatures=()).signed(KEY) == each


def test_outputs_without_a_realisation_are_left_out(nix: Nix, tmp_path: Path) -> None:
    """Sources, outputs with a fixed hash, and outputs that were copied as paths alone."""
    file = content_addressed(nix)
    (tmp_path / "source").write_text("content")
    source = nix.get("store", "add", str(tmp_path / "source"))
    paths = closure(nix, source, *build(nix, file))
    forgotten = next(info for info in paths if info.base_name.endswith("ca-thing-dev"))
    with closing(sqlite3.connect(nix.store_folder / "var/nix/db/db.sqlite")) as database:
        database.execute("delete from Realisations where outputName = 'dev'")
        database.commit()
    ours = realisations_of(paths, nix.environment, nix.store_folder / "store")
    assert len(ours) == 2
    assert forgotten.base_name not in {each.out_path for each in ours}


def put_realisations(nix: Nix, paths: list[PathInfo], cache: Path) -> None:
    """Put the realisations of some paths into a file cache, signed."""
    for each in realisations_of(paths, nix.environment, nix.store_folder / "store"):
        written = each.signed(KEY).cache_object()
        (cache / written.key).parent.mkdir(parents=True, exist_ok=True)
        (cache / written.key).write_bytes(written.content)


def test_nix_substitutes_content_addressed_outputs_without_a_build(new_nix: NewNix) -> None:
    """With ``-j0``, and not without the realisations: the paths alone are not found."""
    nix, reader = new_nix(), new_nix()
    outputs = build(nix, content_addressed(nix))
    paths = closure(nix, *outputs)
    cache = nix.folder / "cache"
    nix.get("copy", "--to", f"file://{cache}", *outputs)
    assert not realisations_in(cache)
    reader.configure(f"substituters = file://{cache}", f"trusted-public-keys = {KEY.public_text}")
    pull = ["build", "--no-link", "--max-jobs", "0", "--file", content_addressed(reader), "^*"]
    assert reader.run(*pull).exit_code != 0
    reader.forget_caches()

    put_realisations(nix, paths, cache)

    reader.get(*pull)
    assert all(reader.has(path) for path in outputs)


def test_nix_builds_outputs_whose_paths_were_collected(new_nix: NewNix) -> None:
    """With or without their realisations, which collections once left there."""
    nix = new_nix()
    outputs = build(nix, content_addressed(nix))
    paths = closure(nix, *outputs)
    cache = nix.folder / "cache"
    nix.get("copy", "--to", f"file://{cache}", *outputs)
    put_realisations(nix, paths, cache)
    for path in outputs:
        (cache / narinfo_key(path)).unlink()
    for has_realisations in (True, False):
        if not has_realisations:
            for key in realisations_in(cache):
                (cache / key).unlink()
        reader = new_nix()
        reader.configure(
            f"substituters = file://{cache}", f"trusted-public-keys = {KEY.public_text}"
        )
        pull = ["build", "--no-link", "--file", content_addressed(reader), "^*"]
        assert reader.run(*pull, "--max-jobs", "0").exit_code != 0
        built = reader.run(*pull, "--debug")
        assert built.exit_code == 0
        assert ("could not be substituted" in built.err) == has_realisations
        assert all(reader.has(path) for path in outputs)


def test_logs_are_those_that_nix_copies_and_reads(new_nix: NewNix) -> None:
    """Byte for byte, under the name by which `nix log` looks for them."""
    nix, reader = new_nix(), new_nix()
    outputs = build(nix, content_addressed(nix))
    paths = closure(nix, *outputs)
    cache = nix.folder / "cache"
    nix.get("copy", "--to", f"file://{cache}", *outputs)
    for derivation in {str(info.deriver) for info in paths}:
        nix.get("store", "copy-log", "--to", f"file://{cache}", derivation)
    copied = stored(cache, "log")
    rmtree(cache / "log")

    ours = list(log_objects(paths, nix.environment))

    assert by_key(ours) == copied
    assert sorted(copied.values()) == [b"first log\n", b"second log \xff\n"]
    (cache / "log").mkdir()
    for each in ours:
        (cache / each.key).write_bytes(each.content)
    reader.configure(f"substituters = file://{cache}")
    for path in outputs:
        assert reader.get("log", path, errors="surrogateescape") == "second log \udcff"


def test_derivations_without_a_log_are_left_out(nix: Nix) -> None:
    """As those that another machine built."""
    paths = closure(nix, *build(nix, content_addressed(nix)))
    rmtree(nix.store_folder / "var/log/nix/drvs")
    assert list(log_objects(paths, nix.environment)) == []


def test_a_push_uploads_them_and_nix_reads_them(new_nix: NewNix, writer: Nix, cache: Cache) -> None:
    """Realisations always, the others on request."""
    reader, machine = new_nix(), WritingMachine(writer, cache)
    outputs = build(writer, content_addressed(writer))
    write(WITH_DEBUG_INFO, writer.folder / "debug")
    added = writer.get("store", "add", str(writer.folder / "debug"))

    machine.push("--logs", "--listings", "--debug-info", *outputs, added)

    keys = cache.keys()
    for path in [*outputs, added]:
        assert f"{path.rpartition('/')[2][:32]}.ls" in keys
    assert len([key for key in keys if key.startswith("debuginfo/")]) == 2
    reader.configure(
        f"substituters = {cache.outputs['readUrl']}",
        f"trusted-public-keys = {' '.join(cache.outputs['publicKeys'])}",
    )
    file = content_addressed(reader)
    reader.get("build", "--no-link", "--max-jobs", "0", "--file", file, "^*")
    assert all(reader.has(path) for path in outputs)
    assert reader.get("log", outputs[0], errors="surrogateescape") == "second log \udcff"
