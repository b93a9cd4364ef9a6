"""`nix-cache doctor` on what the real Nix pushed, on what it refuses, and on its own settings."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import zstandard

from nix_cache.cli.doctor import paths
from nix_cache.cli.doctor.subject import Subject
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.narinfo import narinfo_key
from tests.e2e import store_paths
from tests.e2e.cache import READER, WRITER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix

NO_SIGNING = "Nix does not sign its S3 requests: it was built without AWS support"


@dataclass(frozen=True)
class Diagnosis:
    """What doctor found."""

    exit_code: int
    findings: list[dict[str, Any]]

    def of(self, level: str, theme: str = "") -> list[str]:
        """Return what was found of one level, and perhaps of one theme."""
        return [
            finding["what"]
            for finding in self.findings
            if finding["level"] == level and theme in ("", finding["theme"])
        ]


def client(nix: Nix, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the client as the machine's user."""
    return subprocess.run(
        [sys.executable, "-m", "nix_cache.cli", *arguments],
        env=nix.environment,
        cwd=nix.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def doctor(nix: Nix, *arguments: str) -> Diagnosis:
    """Run doctor as the machine's user."""
    done = client(nix, "doctor", *arguments, "--json")
    assert done.stdout, done.stderr
    return Diagnosis(done.returncode, json.loads(done.stdout))


def source_of(cache: Cache, nix: Nix) -> str:
    """Return a file with the stack's outputs."""
    file = nix.home / "outputs.json"
    file.write_text(json.dumps(cache.outputs))
    return str(file)


def named(nix: Nix, *paths: str) -> tuple[str, str]:
    """Return the option that has these paths looked at."""
    file = nix.home / "paths"
    file.write_text("\n".join(paths))
    return "--paths-from", str(file)


def only_error(found: Diagnosis, pattern: str, path: str) -> None:
    """Check for one error about paths, which names the path and a fix."""
    assert found.exit_code == 1
    (finding,) = [one for one in found.findings if one["level"] == "error"]
    assert re.search(pattern, finding["what"])
    assert any(path in item for item in finding["items"])
    assert finding["fix"]


@pytest.mark.parametrize("compression", ["zstd", "xz", "bzip2", "gzip", "br", "none"])
def test_what_the_real_nix_copies_is_well(cache: Cache, writer: Nix, compression: str) -> None:
    """A closure, with every compression that it has: hashes, sizes, signatures, references."""
    built = store_paths.build(writer, 2, [300_000])
    url = cache.push_url(writer).replace(
        "compression=zstd&parallel-compression=true", f"compression={compression}"
    )
    writer.get("copy", "--to", url, built.root)

    found = doctor(writer, source_of(cache, writer), "--deep", *named(writer, *built.paths))

    assert (found.of("error"), found.of("warning", "paths")) == ([], [])
    assert f"{len(built.paths)} of {len(built.paths)} paths" in str(found.of("ok", "paths"))


def test_what_nix_adds_by_content_is_well_without_a_signature(cache: Cache, writer: Nix) -> None:
    """Readers compute the path again, and so does doctor."""
    file = writer.home / "content"
    file.write_text("nothing in particular")
    tree = writer.home / "tree"
    tree.mkdir()
    (tree / "file").write_text("in a tree")
    flat = ("--mode", "flat") if "--mode" in writer.run("store", "add", "--help").output else ()
    paths = [
        writer.get("store", "add", *flat, str(file)),
        writer.get("store", "add", str(tree)),
        writer.get(*("eval", "--raw", "--expr"), 'builtins.toFile "text" "a text in the store"'),
    ]
    writer.get("copy", "--to", cache.outputs["pushUrls"][WRITER], *paths)
    assert all(cache.narinfo(path).signatures == () for path in paths)

    found = doctor(writer, source_of(cache, writer), *named(writer, *paths))

    assert found.of("error") == []
    assert "3 of 3 paths" in str(found.of("ok", "paths"))


def test_an_unsigned_path_is_found(cache: Cache, writer: Nix) -> None:
    """As the real Nix pushes it without a key."""
    path = store_paths.build(writer).root
    writer.get("copy", "--to", cache.outputs["pushUrls"][WRITER], path)

    found = doctor(writer, source_of(cache, writer), *named(writer, path))

    only_error(found, "^1 path not signed$", path)


@pytest.mark.parametrize(
    ("is_named_alike", "pattern"),
    [(False, "signed by keys that are not trusted"), (True, "an invalid signature")],
)
def test_a_path_signed_by_an_unknown_key_is_found(
    cache: Cache, writer: Nix, is_named_alike: bool, pattern: str
) -> None:
    """Signed by the real Nix, also with a key of a trusted name."""
    path = store_paths.build(writer).root
    trusted = signing.name_of(cache.outputs["publicKeys"][0])
    key = writer.write_key(
        signing.generate(trusted if is_named_alike else "stranger-1").secret_text
    )
    writer.get("copy", "--to", f"{cache.outputs['pushUrls'][WRITER]}&secret-key={key}", path)

    found = doctor(writer, source_of(cache, writer), *named(writer, path))

    only_error(found, pattern, path)


@pytest.mark.parametrize(
    ("pattern", "forged"),
    [
        (rb"NarHash: sha256:.", b"NarHash: sha256:%d"),
        (rb"NarSize: ", b"NarSize: 1"),
        (rb"References: .*", b"References: 00000000000000000000000000000000-forged"),
    ],
    ids=["hash", "size", "references"],
)
def test_a_tampered_narinfo_is_found(
    cache: Cache, writer: Nix, pushed: str, pattern: bytes, forged: bytes
) -> None:
    """Whatever the signature covers."""
    key = narinfo_key(pushed)
    genuine = cache.read(key)
    digit = 0 if b"NarHash: sha256:1" in genuine else 1
    cache.write(key, re.sub(pattern, forged.replace(b"%d", str(digit).encode()), genuine, count=1))

    found = doctor(writer, source_of(cache, writer), *named(writer, pushed))

    only_error(found, "an invalid signature by a trusted key", pushed)


def test_a_tampered_nar_is_found_by_reading_it(cache: Cache, writer: Nix, pushed: str) -> None:
    """Another content, also if the compressed size happens to be the same."""
    url = cache.narinfo(pushed).url
    nar = zstandard.ZstdDecompressor().decompressobj().decompress(cache.read(url))
    forged = zstandard.ZstdCompressor().compress(nar.replace(b" 0", b" 1"))
    cache.write(url, forged)
    source, paths = source_of(cache, writer), named(writer, pushed)

    if len(forged) == cache.narinfo(pushed).file_size:
        assert doctor(writer, source, *paths).of("error") == []
    only_error(doctor(writer, source, "--deep", *paths), "differs from its narinfo", pushed)


def test_a_machine_that_uses_the_cache_is_well(
    cache: Cache, writer: Nix, new_nix: NewNix, pushed: str
) -> None:
    """Set up by `use`; the paths that it pulled are known from Nix's own memory."""
    reader = new_nix()
    outages = ("--connect-timeout", "5", "--fallback")
    used = client(reader, "use", source_of(cache, reader), "--name", "team", *outages)
    assert used.returncode == 0, used.stderr
    assert reader.realise(pushed).exit_code == 0

    found = doctor(reader, "team")

    assert (found.of("error"), found.of("warning", "this machine")) == ([], [])
    here = found.of("ok", "this machine")
    assert "nix.conf names the cache as a substituter" in here
    assert any(
        "waits up to 29 s and goes on without it (connect-timeout 5" in what for what in here
    )
    assert "nix.conf trusts every key of the cache" in here
    assert f"the store is {reader.store_dir} here as in the cache" in here
    assert any(what.endswith("has no known problem with this cache") for what in here)
    assert re.search(
        r"[1-9]\d* of [1-9]\d* paths from this machine's Nix", str(found.of("ok", "paths"))
    )


def test_a_writers_machine_needs_no_nix_that_signs(cache: Cache, new_nix: NewNix) -> None:
    """It reads a public cache over HTTP, and pushes without Nix."""
    machine = new_nix()
    used = client(machine, "use", source_of(cache, machine), "--as", WRITER)
    assert used.returncode == 0, used.stderr

    found = doctor(machine)

    assert found.of("error") == []
    assert not [what for what in found.of("ok", "this machine") if "signs" in what]


def test_settings_that_defeat_the_cache_are_found(cache: Cache, new_nix: NewNix) -> None:
    """By the effective settings: a later line, a missing key, signatures not asked for."""
    machine = new_nix()
    used = client(machine, "use", source_of(cache, machine), "--name", "team")
    assert used.returncode == 0, used.stderr
    url = cache.read_url

    def found_with(conf: str) -> Diagnosis:
        machine.configure(conf)
        return doctor(machine, "team", "--sample", "0")

    [error] = found_with("").of("error", "this machine")[:1]
    assert error == f"nix.conf does not name the substituter {url}"
    only = found_with(f"substituters = {url}\nrequire-sigs = false")
    assert only.of("error") == ["nix.conf does not trust every key of the cache"]
    unsafe = f"{machine.conf}:4: require-sigs = false lets unsigned paths in, from every cache"
    assert unsafe in only.of("warning", "this machine")
    key = cache.outputs["publicKeys"][0]
    name = signing.name_of(key)
    other = signing.generate(name).public_text
    alike = found_with(f"substituters = {url}\ntrusted-public-keys = {other}")
    assert alike.of("error") == ["nix.conf trusts other keys with the same names"]


def test_the_daemons_credentials_of_a_private_cache_are_looked_at(
    private_cache: Cache, new_nix: NewNix, nix_signs: bool
) -> None:
    """They are there and private, or not there, or open to all."""
    always = [] if nix_signs else [NO_SIGNING]
    machine = new_nix()
    used = client(machine, "use", source_of(private_cache, machine), "--name", "team")
    assert used.returncode == 0, used.stderr

    well = doctor(machine, "team", "--sample", "0")
    assert well.of("error") == always
    profile = private_cache.outputs["manifest"]["profiles"][READER]
    assert any(f"the daemon finds the profile {profile}" in what for what in well.of("ok"))

    machine.credentials.chmod(0o644)
    open_to_all = doctor(machine, "team", "--sample", "0")
    assert open_to_all.of("error") == [f"{machine.credentials} has the mode 0644", *always]

    machine.credentials.write_text("")
    gone = doctor(machine, "team", "--sample", "0")
    assert gone.of("error") == [f"{machine.credentials} has no profile {profile}", *always]


@pytest.mark.parametrize("kind", ["cache", "private_cache"])
def test_the_memory_of_the_real_nix_is_read(
    request: pytest.FixtureRequest, nix: Nix, new_nix: NewNix, kind: str
) -> None:
    """Which paths it found in which cache, by HTTP and by S3; and what is in its store."""
    cache: Cache = request.getfixturevalue(kind)
    cache.let_write(nix)
    path = store_paths.build(nix).root
    assert cache.push(nix, path).exit_code == 0
    reader = new_nix()
    cache.let_read(reader, READER if kind == "private_cache" else WRITER)
    reader.configure(cache.outputs["nixConf"])
    assert reader.realise(path).exit_code == 0

    manifest = Manifest.model_validate(cache.outputs["manifest"])
    subject = Subject(manifest, environment=reader.environment)

    store_hash = narinfo_key(path).removesuffix(".narinfo")
    assert store_hash in paths.remembered(subject)
    assert store_hash in paths.in_local_store(subject)
