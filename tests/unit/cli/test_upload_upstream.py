"""What a push leaves to upstream caches."""

import socket
from dataclasses import replace

import pytest

from nix_cache.cli.errors import UsageError
from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload.upstream import (
    held_by_upstreams,
    left_references,
    signed_by_upstreams,
)
from nix_cache.config.check import check
from nix_cache.formats import signing
from nix_cache.formats.narinfo import Narinfo
from nix_cache.formats.narinfo_writer import NarFile, signed_narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.nixos_cache import NIXOS_CACHE
from nix_cache.formats.path_info import PathInfo
from tests.unit.cli.client_caches import outputs
from tests.unit.cli.misbehaving import Misbehaving, answer, misbehaving

THEIRS, OURS = signing.generate("upstream-1"), signing.generate("ours-1")
URL = "https://upstream.example.org"
UPSTREAMS = {URL: (THEIRS.public_text,)}
FILE = NarFile(NixHash.of(b"file"), 70)
QUICK = TimeLimits(backoff_seconds=0.01, tries=1)


def path_info(number: int, *references: PathInfo, key: signing.SecretKey | None = None) -> PathInfo:
    """What a store holds of a path, signed by a key if there is one."""
    info = PathInfo(
        path=f"/nix/store/{str(number) * 32}-path",
        nar_hash=NixHash.of(b"nar"),
        nar_size=120,
        references=tuple(sorted(one.path for one in references)),
        deriver=None,
        signatures=(),
        ca=None,
        ultimate=False,
        registration_time=None,
    )
    if key is None:
        return info
    return replace(info, signatures=Narinfo.parse(signed_narinfo(info, FILE, key)).signatures)


LIBRARY = path_info(1, key=THEIRS)
OWN = path_info(2, LIBRARY, key=OURS)
UNSIGNED = path_info(3, OWN, LIBRARY)


def test_what_an_upstream_signed_is_left_to_it() -> None:
    """Only with a valid signature: not by the name of a key, and not for another path."""
    forged = replace(path_info(4), signatures=(*LIBRARY.signatures, f"{THEIRS.name}:AAAA"))
    malformed = replace(path_info(5), signatures=(f"{THEIRS.name}:?",))

    left = signed_by_upstreams([LIBRARY, OWN, UNSIGNED, forged, malformed], UPSTREAMS)

    assert left == {LIBRARY.path: URL}
    assert signed_by_upstreams([LIBRARY], {}) == {}


def test_references_that_are_left_are_recorded() -> None:
    """Each once, by its upstream cache."""
    left = {LIBRARY.path: URL, "/nix/store/x-other": URL}

    assert left_references([OWN, UNSIGNED], left) == {URL: ("1" * 32,)}


def test_upstreams_are_asked_in_place_of_local_signatures() -> None:
    """A path counts if its narinfo there is of that path and signed by the upstream's key."""
    signed = signed_narinfo(UNSIGNED, FILE, THEIRS)
    answers = {
        UNSIGNED.path: answer(signed),
        OWN.path: answer(signed),  # of another path
        LIBRARY.path: answer(b"", "404 Not Found"),
    }

    def serve(server: Misbehaving, line: socket.socket, _number: int) -> None:
        asked = server.requests[-1]
        line.sendall(next(text for path, text in answers.items() if path[11:43] in asked))

    warnings: list[str] = []
    with misbehaving(serve) as server:
        upstreams = {server.url: (THEIRS.public_text,)}
        paths = [LIBRARY.path, OWN.path, UNSIGNED.path]
        left = held_by_upstreams(paths, upstreams, Transport(QUICK), 2, warnings.append)
        assert left == {UNSIGNED.path: server.url}
        stranger = {server.url: (OURS.public_text,)}
        assert held_by_upstreams(paths, stranger, Transport(QUICK), 2, warnings.append) == {}
    assert warnings == []


def test_an_upstream_that_does_not_answer_is_named_and_its_paths_are_pushed() -> None:
    """It is no reason to fail."""
    warnings: list[str] = []
    upstreams = {"http://127.0.0.1:9": (THEIRS.public_text,)}

    assert held_by_upstreams([OWN.path], upstreams, Transport(QUICK), 1, warnings.append) == {}
    assert "http://127.0.0.1:9 did not answer for 1 of 1 paths" in warnings[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, NIXOS_CACHE),
        ({"storeDir": "/opt/store"}, {}),
        ({"upstreams": {}}, {}),
        ({"upstreams": {URL: [THEIRS.public_text]}}, UPSTREAMS),
        ({"storeDir": "/opt/store", "upstreams": {URL: [THEIRS.public_text]}}, UPSTREAMS),
    ],
)
def test_the_default_is_nixos_cache_for_its_store(
    given: dict[str, object], expected: dict[str, tuple[str, ...]]
) -> None:
    """A path of another store is never in it."""
    checked = check(
        {
            "domain": "cache.example.org",
            "backend": "minio",
            "minio": {"endpoint": "https://m.example.org"},
            **given,
        }
    )

    assert dict(checked.upstream_caches) == dict(expected)


@pytest.mark.parametrize(
    ("upstreams", "said"),
    [
        ({URL: ["no key"]}, "malformed key"),
        ({"ftp://x": []}, "ftp://x, which is not a valid URL"),
        ({URL: "key"}, "upstreams"),
    ],
)
def test_a_manifest_with_a_malformed_upstream_is_refused(upstreams: object, said: str) -> None:
    """Before anything is made of it."""
    from nix_cache.cli.caches.manifest_document import validated

    document = {**outputs()["manifest"], "upstreams": upstreams}

    with pytest.raises(UsageError, match=said):
        validated(document, "the source")


def test_an_older_manifest_has_no_upstreams() -> None:
    """Its cache pushes everything, as it always did."""
    from nix_cache.cli.caches.manifest_document import validated

    document = {k: v for k, v in outputs()["manifest"].items() if k != "upstreams"}

    assert validated(document, "the source").upstreams == {}
