"""`nix-cache push`, with the real Nix to the real server."""

import json
import re

import pytest

from nix_cache.formats import signing
from nix_cache.formats.narinfo import narinfo_key, verify
from tests.e2e import store_paths
from tests.e2e.cache import WRITER, Cache
from tests.e2e.conftest import NewCache, NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import assert_accepted, assert_refused
from tests.e2e.store_paths import Closure
from tests.e2e.writer import WritingMachine
from tests.engine.versioned import collected


@pytest.fixture
def machine(nix: Nix, cache: Cache) -> WritingMachine:
    """Provide a machine that writes to the shared cache."""
    return WritingMachine(nix, cache)


def test_a_closure_is_pushed_signed_and_a_second_push_skips_it(
    machine: WritingMachine, cache: Cache
) -> None:
    """All of it arrives, signed by the writer's key; then there is nothing left to do."""
    closure = store_paths.build(machine.nix, 3)

    first = machine.push(closure.root)
    second = machine.push(closure.root)

    keys = cache.outputs["publicKeys"]
    assert first["pushed"] == sorted(closure.paths)
    assert first["narBytes"] > 0
    assert first["storedBytes"] > 0
    for path in closure.paths:
        assert verify(cache.narinfo(path), keys) == (first["keyName"],)
    assert second["pushed"] == []
    assert second["skipped"] == sorted(closure.paths)


def test_what_was_deleted_from_the_bucket_is_pushed_again(
    machine: WritingMachine, cache: Cache
) -> None:
    """Nix remembers for 30 days that a path is there; that must not count."""
    closure = store_paths.build(machine.nix, 2)
    machine.push(closure.root)
    for path in closure.paths:
        cache.root.delete_object(Bucket=cache.bucket, Key=narinfo_key(path))
        cache.root.delete_object(Bucket=cache.bucket, Key=f"{path[11:43]}.ls")

    again = machine.push(closure.root)

    assert again["pushed"] == sorted(closure.paths)
    assert all(cache.narinfo(path).signatures for path in closure.paths)


def test_paths_are_read_from_standard_input_and_from_links(
    machine: WritingMachine, cache: Cache
) -> None:
    """A link such as ./result counts as its target, also with a path behind it."""
    one, two = (store_paths.build(machine.nix, 1) for _ in range(2))
    (machine.nix.home / "result").symlink_to(one.root)
    (machine.nix.home / "again").symlink_to("result")

    reported = machine.push("./result", "again/bin", "--stdin", input=f"{two.root}\n\n")

    assert reported["pushed"] == sorted([one.root, two.root])


def test_nothing_on_standard_input_is_nothing_to_do(machine: WritingMachine) -> None:
    """A pipeline that built nothing new does not fail."""
    done = machine.run("push", "--stdin", input="\n")

    assert done.exit_code == 0, done.output
    assert "Nothing to push" in done.err


def test_a_push_reports_what_was_pushed_and_how_fast(machine: WritingMachine) -> None:
    """The table has numbers with units."""
    closure = store_paths.build(machine.nix, 1, [5_000_000])

    done = machine.run("push", closure.root)

    assert done.exit_code == 0, done.output
    assert "pushed     2 paths, 5.0 MB as NAR" in done.out
    assert "  took  " in done.out
    assert "skipped    0 paths" in done.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["/nix/store/00000000000000000000000000000000-gone"], "not in this machine's store"),
        (["./no-link"], "./no-link is neither a path in /nix/store nor a link to one"),
        (["nixpkgs#hello"], "nixpkgs#hello is neither a path in"),
        ([], "no paths to push"),
        (["/nix/store"], "/nix/store is neither a path in"),
    ],
)
def test_what_is_not_a_store_path_is_named(
    machine: WritingMachine, given: list[str], said: str
) -> None:
    """One clear error, and the fix."""
    done = machine.run("push", *given)

    assert done.exit_code in {1, 2}
    assert said in done.err
    assert done.err.count("error:") == 1
    assert "Traceback" not in done.err


@pytest.fixture
def built(nix: Nix) -> Closure:
    """Provide a closure that `nix` built before it had a key: Nix signs also what it builds."""
    return store_paths.build(nix, 2)


def refused(machine: WritingMachine, built: Closure, said: str) -> None:
    """Check that a push is refused with a reason, and that nothing of it reaches the bucket."""
    before = machine.cache.keys()

    done = machine.run("push", built.root)

    assert done.exit_code == 1, done.output
    assert said in done.err
    assert done.err.count("error:") == 1
    assert machine.cache.keys() == before


def test_a_push_without_a_key_is_refused(built: Closure, machine: WritingMachine) -> None:
    """Nothing is ever pushed unsigned."""
    machine.key_file.unlink()

    refused(machine, built, "is gone")


def test_a_push_with_a_broken_key_is_refused(built: Closure, machine: WritingMachine) -> None:
    """A file that was cut off is not a key."""
    machine.key_file.write_text(machine.key_file.read_text()[:-20])

    refused(machine, built, "holds no signing key")


def test_a_push_with_another_key_is_refused(built: Closure, machine: WritingMachine) -> None:
    """Also if it has the name of the right one: no user would trust the signatures."""
    stranger = signing.generate(machine.key_file.stem)
    machine.key_file.write_text(stranger.secret_text)

    refused(machine, built, "is not among the public keys")


def test_a_push_with_the_key_of_another_generation_is_refused(
    built: Closure, machine: WritingMachine
) -> None:
    """The writer signs with the key that the manifest names."""
    machine.key_file.write_text(signing.generate("cache.example.org-nixbuilder-7").secret_text)

    refused(machine, built, "holds the key cache.example.org-nixbuilder-7, and nixbuilder signs")


def test_a_push_with_a_wrong_secret_is_explained(built: Closure, machine: WritingMachine) -> None:
    """The storage's answer in words, and the file that has to be mended."""
    credentials = machine.nix.credentials
    credentials.write_text(
        credentials.read_text().replace("aws_secret_access_key = ", "aws_secret_access_key = wrong")
    )

    refused(machine, built, "is not the right one")


def test_a_key_file_with_an_odd_path_is_used(
    built: Closure, machine: WritingMachine, cache: Cache
) -> None:
    """Its path goes through a URL, which gives some characters a meaning."""
    folder = machine.nix.home / "a &b=c%20d+é?#"
    folder.mkdir()
    odd = folder / "key.sec"
    machine.key_file.rename(odd)
    record = machine.settings / f"{cache.bucket}.json"
    known = json.loads(record.read_text())
    record.write_text(json.dumps({**known, "signingKeyFile": str(odd)}))

    reported = machine.push(built.root)

    assert verify(cache.narinfo(built.root), cache.outputs["publicKeys"]) == (reported["keyName"],)


def test_credentials_in_the_environment_do_not_beat_the_profile(machine: WritingMachine) -> None:
    """Nix would take them first, and be refused with those of another user."""
    path = store_paths.build(machine.nix, 1).root
    foreign = {"AWS_ACCESS_KEY_ID": "foreign", "AWS_SECRET_ACCESS_KEY": "foreign-secret"}

    reported = machine.push(path, AWS_SESSION_TOKEN="foreign", AWS_PROFILE="foreign", **foreign)

    assert reported["pushed"] == [path]


def test_what_was_pushed_unsigned_is_signed(
    built: Closure, machine: WritingMachine, cache: Cache
) -> None:
    """The narinfo stays as it is otherwise."""
    unsigned = built.paths[0]
    machine.nix.get("copy", "--to", cache.outputs["pushUrls"][WRITER], unsigned)
    before = cache.read(narinfo_key(unsigned))

    reported = machine.push(built.root)

    assert (reported["signed"], reported["refusedByReaders"]) == ([unsigned], [])
    assert cache.read(narinfo_key(unsigned)).startswith(before)
    assert verify(cache.narinfo(unsigned), cache.outputs["publicKeys"]) == (reported["keyName"],)
    assert machine.push(built.root)["signed"] == []


def test_a_path_that_readers_refuse_is_reported_and_replaced_on_request(
    built: Closure, machine: WritingMachine, cache: Cache
) -> None:
    """It states other contents than this machine has, and the exit code says so."""
    refused = built.paths[0]
    machine.push(refused)
    key = narinfo_key(refused)
    cache.write(key, re.sub(b"NarSize: .*", b"NarSize: 7", cache.read(key)))

    done = machine.run("push", built.root)

    assert done.exit_code == 1, done.output
    assert "readers refuse 1 path" in done.err
    assert f"{refused}: its signature by" in done.err
    assert "nix-cache push --repair" in done.err
    assert machine.push("--repair", built.root)["repaired"] == sorted([refused, built.root])


def test_a_nar_that_was_lost_or_overwritten_is_uploaded_again(
    machine: WritingMachine, new_nix: NewNix, cache: Cache
) -> None:
    """The first by a plain push of the path, the second by the fix that doctor prints."""
    lost, overwritten = (store_paths.build(machine.nix, 1).root for _ in range(2))
    machine.push(lost, overwritten)
    cache.root.delete_object(Bucket=cache.bucket, Key=cache.narinfo(lost).url)
    nar = cache.narinfo(overwritten).url
    cache.write(nar, bytes(len(cache.read(nar))))

    assert machine.push(lost)["repaired"] == [lost]
    named = ["--paths-from", "-", "--deep", "--json"]
    examined = machine.run("doctor", cache.bucket, *named, input=f"{lost}\n{overwritten}\n")
    (fix,) = [one["fix"] for one in json.loads(examined.out) if overwritten in str(one["items"])]
    (command,) = re.findall("`nix-cache ([^`]*) PATH`", fix)
    repaired = machine.run(*command.split(), overwritten)

    assert repaired.exit_code == 0, repaired.output
    reader = new_nix()
    reader.configure(cache.outputs["nixConf"])
    for path in (lost, overwritten):
        assert_accepted(reader, path)


def test_a_removed_writer_is_reported(nix: Nix, new_cache: NewCache) -> None:
    """The credential is gone, and the message says that and not just 403."""
    cache = new_cache(writers=["one", "two"])
    machine = WritingMachine(nix, cache, "two")
    path = store_paths.build(nix, 1).root
    assert machine.push(path)["pushed"] == [path]
    cache.change(writers=["one"])

    done = machine.run("push", store_paths.build(nix, 1).root)

    assert done.exit_code == 1
    assert "does not know the credential of two" in done.err
    assert "ask the cache's owner" in done.err


def test_a_private_cache_is_pushed_to(nix: Nix, private_cache: Cache) -> None:
    """What is missing there is distinguished from what is forbidden."""
    machine = WritingMachine(nix, private_cache)
    closure = store_paths.build(nix, 2)

    assert machine.push(closure.root)["pushed"] == sorted(closure.paths)
    assert machine.push(closure.root)["skipped"] == sorted(closure.paths)


def test_what_an_upstream_signed_is_left_to_it(nix: Nix, new_cache: NewCache) -> None:
    """It is neither uploaded nor asked for, unless everything is to be pushed."""
    key = signing.generate("upstream.example.org-1")
    upstream = "https://upstream.example.org"
    cache = new_cache(upstreams={upstream: [key.public_text]})
    machine = WritingMachine(nix, cache)
    closure = store_paths.build(nix, 2)
    theirs = closure.paths[0]
    nix.get("store", "sign", "--key-file", str(nix.write_key(key.secret_text)), theirs)

    first = machine.push(closure.root)

    assert first["upstream"] == {theirs: upstream}
    assert first["pushed"] == [closure.root]
    there = cache.keys()
    assert narinfo_key(theirs) not in there
    (record,) = [name for name in there if name.startswith("nix-cache-roots/")]
    content = cache.root.get_object(Bucket=cache.bucket, Key=record)["Body"].read()
    assert json.loads(content)["upstream"] == {upstream: [theirs.rpartition("/")[2][:32]]}
    asked = machine.push(closure.root, "--check-upstream")
    assert (asked["upstream"], asked["pushed"]) == ({}, [theirs])
    assert machine.push(closure.root, "--all")["skipped"] == sorted(closure.paths)


def test_a_pinned_path_survives_a_collection_and_another_one_is_missing(
    nix: Nix, new_cache: NewCache, new_nix: NewNix
) -> None:
    """Both are older than the retention when the janitor collects, by the credential of `use`."""
    cache = new_cache(janitor=True)
    machine = WritingMachine(nix, cache)
    outputs = json.dumps(cache.outputs)
    used = machine.run("use", "-", "--user", "--yes", "--as", WRITER, "--janitor", input=outputs)
    assert used.exit_code == 0, used.output
    pinned, other = (store_paths.build(nix, 2) for _ in range(2))
    machine.push("--pin", "app", pinned.root)
    machine.push(other.root)

    collected(machine.environment(), 400)

    left = cache.keys()
    assert {key for key in left if key.endswith(".narinfo")} == {
        narinfo_key(path) for path in pinned.paths
    }
    reader = new_nix()
    reader.configure(cache.outputs["nixConf"])
    assert_accepted(reader, pinned.root)
    assert_refused(reader, other.root, "no substituter that can build it")
