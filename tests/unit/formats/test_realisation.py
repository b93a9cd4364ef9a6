"""Realisations, in both forms that Nix has had.

The documents and the signatures are those of Nix's own tests: `src/libstore-tests/data/realisation`
of Nix 2.34.0, and of its main branch in August 2026 for the form of Nix 2.35. `tests/e2e` compares
with what the real Nix writes.
"""

import json
from typing import Any

import pytest

from nix_cache.formats import signing
from nix_cache.formats.realisation import (
    LISTED_PREFIXES,
    Realisation,
    RealisationError,
    is_realisation_key,
    parse_printed,
)

KEY = signing.parse_secret_key(
    "test-key:tU7tTvLcScf8pmz/eTV0BEtLmRsPpZfKaRcd0nCN+pysBZPHSeg61/u2oc7mIOewfuAY1V1BiX32homTaDJ2Jw=="
)
"""The key of Nix's own tests."""

BASE_NAME = "g1w7hy3qg1w7hy3qg1w7hy3qg1w7hy3q"
NO_SIGNATURE = f"{'A' * 86}=="
HASH = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

BY_HASH: dict[str, Any] = {
    "dependentRealisations": {f"{HASH}!foo": f"{BASE_NAME}-foo.drv"},
    "id": f"{HASH}!foo",
    "outPath": f"{BASE_NAME}-foo.drv",
    "signatures": [f"asdf:{NO_SIGNATURE}"],
}
BY_DERIVATION: dict[str, Any] = {
    "key": {"drvPath": f"{BASE_NAME}-bar.drv", "outputName": "foo"},
    "value": {
        "outPath": f"{BASE_NAME}-foo.drv",
        "signatures": [{"keyName": "asdf", "sig": NO_SIGNATURE}],
    },
}


def test_the_object_of_nix_up_to_2_34_is_the_whole_document() -> None:
    written = Realisation.parse(BY_HASH).cache_object()
    assert written.key == f"realisations/{HASH}!foo.doi"
    assert json.loads(written.content) == BY_HASH
    assert written.content == json.dumps(BY_HASH, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "document",
    [
        {**BY_HASH, "other": "\ud800"},
        {**BY_HASH, "signatures": ["asdf:\udfff"]},
        {**BY_DERIVATION, "value": {**BY_DERIVATION["value"], "\ud800": 1}},
        {**BY_DERIVATION, "value": {**BY_DERIVATION["value"], "signatures": ["\ud800:AAAA"]}},
    ],
)
def test_what_utf_8_cannot_encode_is_refused(document: dict[str, Any]) -> None:
    """JSON can escape a half of a surrogate pair."""
    realisation = Realisation.parse(BY_HASH)
    with pytest.raises(RealisationError, match="UTF-8"):
        Realisation.parse(document)
    assert realisation.other(json.dumps({**BY_HASH, "other": "\ud800"}).encode()) is None


def test_the_object_of_nix_2_35_is_the_value_alone() -> None:
    written = Realisation.parse(BY_DERIVATION).cache_object()
    assert written.key == f"build-trace-v2/{BASE_NAME}-bar.drv/foo.doi"
    assert json.loads(written.content) == BY_DERIVATION["value"]
    assert b" " not in written.content


@pytest.mark.parametrize(
    ("out_path", "signature"),
    [
        (
            f"{BASE_NAME}-foo",
            "WsjxK4/EI74COtzMDI+VCjQU9O4FydK0+YeY1CE5hUevogd+T+CPvNXza7oog3GTMS+ZlBwsC2S3ppwusKnJDg==",
        ),
        (
            f"{BASE_NAME}-foo.drv",
            "ZE30UrOh26/EYvUaczjJtz6c4WcRYke6IEhDNN5TiFRF6Uu+H8lHofponlhfZxDDrCUlfstS/vtv3Xm2F6M/AA==",
        ),
    ],
)
def test_the_signature_is_the_one_that_nix_makes(out_path: str, signature: str) -> None:
    document = {**BY_DERIVATION, "value": {**BY_DERIVATION["value"], "outPath": out_path}}
    signed = Realisation.parse(document).signed(KEY)
    assert signed.signatures == (f"asdf:{NO_SIGNATURE}", f"test-key:{signature}")
    assert signed.signed(KEY) == signed


def test_signatures_are_not_signed() -> None:
    """So that a further signature leaves the others valid."""
    for document in (BY_HASH, BY_DERIVATION):
        realisation = Realisation.parse(document)
        assert realisation.signed(KEY).fingerprint == realisation.fingerprint
        assert "asdf" not in realisation.fingerprint


def test_what_nix_prints_is_read_without_paths_that_have_no_realisation() -> None:
    printed = json.dumps([BY_HASH, {"opaquePath": f"/nix/store/{BASE_NAME}-foo"}])
    assert parse_printed(printed) == [Realisation.parse(BY_HASH)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("warning", "it is not JSON"),
        ("{}", "it is not a list"),
        ("[1]", "unknown form: 1"),
        ('[{"id": "x", "outPath": "y"}]', "unknown form"),
        (json.dumps([{**BY_HASH, "id": f"{HASH}!../../nix-cache-info"}]), "unknown form"),
        (json.dumps([{**BY_HASH, "outPath": "../x"}]), "outPath '../x' is not a store path"),
        (json.dumps([{**BY_HASH, "signatures": "x"}]), "signatures is not a list: 'x'"),
        (json.dumps([{**BY_HASH, "signatures": [1]}]), "a signature has an unknown form: 1"),
        (json.dumps([{**BY_DERIVATION, "key": {"drvPath": "/x", "outputName": "o"}}]), "unknown"),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    """Also where a key would name another object."""
    with pytest.raises(RealisationError, match=message):
        parse_printed(text)


def test_what_nix_up_to_2_34_needs_besides_are_the_keys_of_other_realisations() -> None:
    other = HASH.replace("ba78", "0000")
    needed = {f"{HASH}!foo": f"{BASE_NAME}-foo", f"{other}!dev": f"{BASE_NAME}-dev", "../x": "y"}
    assert Realisation.parse({**BY_HASH, "dependentRealisations": needed}).needed == (
        f"realisations/{other}!dev.doi",
    )
    assert Realisation.parse({**BY_HASH, "dependentRealisations": ["x"]}).needed == ()
    assert Realisation.parse(BY_DERIVATION).needed == ()


@pytest.mark.parametrize("document", [BY_HASH, BY_DERIVATION])
def test_keys_of_realisations_are_recognised(document: dict[str, Any]) -> None:
    """Also below what is listed of them. Nothing else is."""
    key = Realisation.parse(document).key
    assert is_realisation_key(key)
    assert key.startswith(LISTED_PREFIXES)
    assert sorted(LISTED_PREFIXES) == list(LISTED_PREFIXES)
    for odd in (f"{key}.doi/", f"x{key}", key.removesuffix(".doi"), key.replace("/", "/../", 1)):
        assert not is_realisation_key(odd)
