"""Manifests, the outputs of a stack, and what this machine keeps of a cache."""

import json
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from nix_cache.cli.caches import manifest_rules, record, source, urls
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.places import Place
from nix_cache.cli.nix import conf_file
from nix_cache.formats.manifest import Manifest
from tests.fuzz.target import Shape, Target
from tests.unit.cli import client_caches

_OUTPUTS = client_caches.outputs()
_PRIVATE = client_caches.outputs(public=False)
_SEEDS = (
    json.dumps(_OUTPUTS).encode(),
    json.dumps(_PRIVATE).encode(),
    json.dumps(_OUTPUTS["manifest"]).encode(),
)
_FOLDER = tempfile.TemporaryDirectory(prefix="nix-cache-fuzz-")
_PLACE = Place(
    system=False,
    nix_conf=Path(_FOLDER.name) / "nix.conf",
    credentials=Path(_FOLDER.name) / "credentials",
    state=Path(_FOLDER.name) / "state",
)


def _check_source(data: bytes) -> bool:
    """Read a source. What is then found harmless sets what it says, and nothing else."""
    try:
        found = source.parse(data.decode(errors="replace"), "standard input")
    except ClientError as mistake:
        assert mistake.problem
        assert mistake.fix
        return False
    manifest = found.manifest
    written = json.dumps(manifest.model_dump(mode="json", by_alias=True))
    assert Manifest.model_validate_json(written) == manifest
    try:
        manifest_rules.require_valid(manifest)
    except ClientError:
        return True
    text = conf_file.settings_text("demo", manifest.read_url, manifest.public_keys, None)
    lines = [(line.name, line.value) for line in conf_file.parse(text)]
    assert lines == [
        ("extra-substituters", (manifest.read_url,)),
        ("extra-trusted-public-keys", tuple(manifest.public_keys)),
    ], "the file sets something else"
    return True


def _check_record(data: bytes) -> bool:
    """Read the file in which this machine keeps a cache."""
    path = _PLACE.record("demo")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    try:
        found = record.load(_PLACE, "demo")
    except ClientError as mistake:
        assert str(path) in mistake.problem
        return False
    assert found is not None
    path.write_bytes(record.text(found))
    assert record.load(_PLACE, "demo") == found
    return True


def _check_url(data: bytes) -> bool:
    """Read a URL of either kind. What is accepted, urllib and Nix read alike."""
    text = data.decode(errors="surrogateescape")
    accepted = False
    try:
        http = urls.parse_http(text)
    except urls.UrlError:
        pass
    else:
        parts = urlsplit(text)
        assert (parts.scheme, parts.netloc) == (http.scheme, http.authority)
        assert parts.path.rstrip("/") == http.path
        assert not any((parts.query, parts.fragment, parts.username, parts.password))
        assert parts.port is None or parts.port > 0
        accepted = True
    try:
        s3 = urls.parse_s3(text)
    except urls.UrlError:
        return accepted
    parts = urlsplit(text)
    assert (parts.scheme, parts.netloc, parts.path) == ("s3", s3.bucket, "")
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == s3.parameters
    return True


_TOKENS = (
    b"s3://demo?endpoint=https%3A%2F%2Fs3.example.org&profile=nixreader&trusted=1",
    b"https://s3.example.org/demo\nrequire-sigs = false",
    b"https://user:password@s3.example.org/demo",
    b"ssh-ng://s3.example.org?remote-program=x",
    b"https://[x",
    b"https://s3.example.org:99999/demo",
    b"default",
    b"key name:AAAA",
    b"..",
)

TARGETS = (
    Target(
        "url",
        _check_url,
        (
            b"https://s3.example.org:9000/demo/",
            b"http://[::1]:80",
            b"s3://demo?endpoint=https%3A%2F%2Fs3.example.org&profile=p&region=us-east-1",
        ),
        tokens=(b"@", b"\\", b"\t", b"%0a", b"%", b"+", b";", b"//", b":99999", b"..", b"&", b"="),
    ),
    Target("manifest", _check_source, _SEEDS, Shape.JSON, tokens=_TOKENS),
    Target(
        "record",
        _check_record,
        (
            record.text(record.Record(name="demo", manifest=client_caches.manifest())),
            record.text(
                record.Record(
                    name="demo",
                    manifest=client_caches.manifest(public=False),
                    reader="nixreader",
                    writer="nixbuilder",
                    signing_key_file=Path("/root/x.sec"),
                )
            ),
        ),
        Shape.JSON,
        tokens=_TOKENS,
    ),
)
