"""Manifests, the outputs of a stack, and what this machine keeps of a cache."""

import json
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from nix_cache.client import nix_conf_file, record, source
from nix_cache.client.errors import ClientError
from nix_cache.client.places import Place
from nix_cache.client.use import safety
from nix_cache.description import Description
from tests.fuzz.target import Shape, Target
from tests.unit import client_caches

_OUTPUTS = client_caches.outputs()
_PRIVATE = client_caches.outputs(public=False)
_SEEDS = (
    json.dumps(_OUTPUTS).encode(),
    json.dumps(_PRIVATE).encode(),
    json.dumps(_OUTPUTS["cache"]).encode(),
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
    description = found.description
    written = json.dumps(description.model_dump(mode="json", by_alias=True))
    assert Description.model_validate_json(written) == description
    try:
        safety.require_harmless(description)
    except ClientError:
        return True
    urlsplit(description.read_url)
    text = nix_conf_file.settings_text("demo", description.read_url, description.public_keys, None)
    lines = [(line.name, line.value) for line in nix_conf_file.parse(text)]
    assert lines == [
        ("extra-substituters", (description.read_url,)),
        ("extra-trusted-public-keys", tuple(description.public_keys)),
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
    Target("manifest", _check_source, _SEEDS, Shape.JSON, tokens=_TOKENS),
    Target(
        "record",
        _check_record,
        (
            record.text(record.Record(name="demo", description=client_caches.description())),
            record.text(
                record.Record(
                    name="demo",
                    description=client_caches.description(public=False),
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
