"""Realisations and debug info entries that another writer put are kept as far as they are true."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.credentials import Credentials

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.upload.beside import put_debug_info, put_realisation
from nix_cache.cli.upload.narinfos import Narinfos
from nix_cache.cli.upload.objects import Objects
from nix_cache.formats import signing
from nix_cache.formats.cache_object import JSON_TYPE, CacheObject
from nix_cache.formats.realisation import Realisation
from tests.unit.cli.s3_double import DoubleTransport, S3Double
from tests.unit.formats.test_realisation import BASE_NAME, BY_DERIVATION, BY_HASH

OURS, THEIRS = (signing.generate(f"cache.example.org-{name}-1") for name in ("ours", "theirs"))


@dataclass
class Writers:
    """A bucket, and what writers put there.

    Attributes:
        storage: the bucket.
        reported: the warnings.
    """

    storage: S3Double = field(default_factory=lambda: S3Double("demo"))
    reported: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        who = Requester("ci", "http://s3", "demo", "team", "the environment")
        pair = Credentials("key", "secret")
        client = S3Client(DoubleTransport(self.storage), "http://s3/demo", "us-east-1", pair)
        self.changes = Narinfos(client, who, self.reported.append)
        self.objects = Objects(client, who, None, self.reported.append)

    def put(self, document: dict[str, Any], key: signing.SecretKey) -> Realisation:
        """Put a realisation; returns it."""
        realisation = Realisation.parse(document)
        put_realisation(realisation, key, self.changes, self.reported.append)
        return realisation

    def content(self, key: str) -> Any:
        """Return what an object states."""
        return json.loads(self.storage.objects[key].content)


@pytest.fixture
def writers() -> Writers:
    return Writers()


@pytest.mark.parametrize("document", [BY_HASH, BY_DERIVATION], ids=["by hash", "by derivation"])
def test_a_realisation_keeps_the_signatures_of_other_writers(
    writers: Writers, document: dict[str, Any]
) -> None:
    """Which of them comes later makes no difference."""
    key = writers.put(document, THEIRS).cache_object().key
    for signer in (OURS, THEIRS, OURS):
        writers.put(document, signer)

    found = Realisation.parse(document).other(writers.storage.objects[key].content)
    assert found is not None
    names = [signature.partition(":")[0] for signature in found.signatures]
    assert names == ["asdf", OURS.name, THEIRS.name]
    for signer in (OURS, THEIRS):
        assert signer.sign(found.fingerprint.encode()) in found.signatures
    assert writers.reported == []
    before = writers.storage.log.count("put")
    writers.put(document, OURS)
    assert writers.storage.log.count("put") == before


def test_another_store_path_is_replaced_with_a_warning(writers: Writers) -> None:
    """Its signatures are not for ours."""
    writers.put({**BY_HASH, "outPath": f"{BASE_NAME}-other"}, THEIRS)
    key = writers.put(BY_HASH, OURS).cache_object().key

    assert writers.content(key)["outPath"] == BY_HASH["outPath"]
    assert not any(THEIRS.name in text for text in writers.content(key)["signatures"])
    assert len(writers.reported) == 1
    assert (
        f"{key} named {BASE_NAME}-other, and names {BY_HASH['outPath']} now"
        in (writers.reported[0])
    )


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"id": 1}', b"[" * 100_000])
def test_a_damaged_realisation_is_replaced(writers: Writers, content: bytes) -> None:
    key = Realisation.parse(BY_HASH).cache_object().key
    writers.storage.put(key, content)
    writers.put(BY_HASH, OURS)

    assert writers.content(key)["id"] == BY_HASH["id"]


def entry(nar: str) -> CacheObject:
    """Return a debug info entry that names a NAR."""
    document = {"archive": f"../nar/{nar}", "member": "lib/debug/.build-id/ab/c.debug"}
    return CacheObject("debuginfo/abc", json.dumps(document).encode(), JSON_TYPE)


@pytest.mark.parametrize(("is_there", "named"), [(True, "theirs"), (False, "ours")])
def test_a_debug_info_entry_is_kept_while_its_nar_is_there(
    writers: Writers, is_there: bool, named: str
) -> None:
    """A collection may have deleted it meanwhile."""
    writers.storage.put("nar/ours", b"nar")
    if is_there:
        writers.storage.put("nar/theirs", b"nar")
    writers.storage.put("debuginfo/abc", entry("theirs").content)

    put_debug_info(entry("ours"), writers.changes, writers.objects)

    assert writers.content("debuginfo/abc")["archive"] == f"../nar/{named}"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"archive": "../nix-cache-info"}', b"\xff"])
def test_a_damaged_debug_info_entry_is_replaced(writers: Writers, content: bytes) -> None:
    writers.storage.put("nix-cache-info", b"")
    writers.storage.put("debuginfo/abc", content)

    put_debug_info(entry("ours"), writers.changes, writers.objects)

    assert writers.content("debuginfo/abc")["archive"] == "../nar/ours"
