"""What states keep of dynamic resources: their types, and the import paths of their providers.

An unchanged resource keeps the path with which it was made, for years. So a change of these tables
breaks stacks, unless the old path stays importable and the old type is an alias.
"""

import base64
import pickle
import pickletools
from typing import Any

import pulumi
import pytest
from pulumi.dynamic import Config, ConfigureRequest, ResourceProvider

from nix_cache import BinaryCache, BinaryCacheArgs, WriterArgs
from nix_cache.own_resources import register_as_own
from tests.fakes.aws_answers import FREE
from tests.samples import SAMPLES
from tests.unit.mocks import Recorder, run

CACHES: dict[str, BinaryCacheArgs] = {
    name: {**args, "public": True} for name, args in SAMPLES.items()
}

PROVIDERS = {
    "NameReservation": "nix_cache.dynamic.name_reservation NameReservationProvider",
    "SigningKey": "nix_cache.dynamic.signing_key SigningKeyProvider",
    "B2Bucket": "nix_cache.dynamic.b2_bucket B2BucketProvider",
    "B2Key": "nix_cache.dynamic.b2_key B2KeyProvider",
    "B2TextObject": "nix_cache.dynamic.b2_text_object B2TextObjectProvider",
    "S3AccessKey": "nix_cache.dynamic.s3_access_key S3AccessKeyProvider",
    "S3Bucket": "nix_cache.dynamic.s3_bucket S3BucketProvider",
    "S3RightsCheck": "nix_cache.dynamic.s3_rights_check S3RightsCheckProvider",
    "S3TextObject": "nix_cache.dynamic.s3_text_object S3TextObjectProvider",
    "S3User": "nix_cache.dynamic.s3_user S3UserProvider",
}
"""By type, the provider that new states keep."""

FORMER = {
    "minio": ("NameClaim", "c-claim-bucket-team-cache"),
    "b2": ("B2BucketClaim", "c-claim-bucket-team-cache"),
    "spaces": ("SpaceClaim", "c-claim"),
    "aws": ("Claim", "c-claim-team-cache"),
}
"""By backend, the claim of version 0.1.0 that a reservation continues."""

RELEASE_0_1_0 = {
    "signing_key": (
        "gASVNAAAAAAAAACMFW5peF9jYWNoZS5zaWduaW5nX2tleZSME19TaWduaW5nS2V5UHJvdmlkZXKUk5QpgZQu",
        "SigningKeyProvider",
    ),
    "storage.minio_claim": (
        "gASVNwAAAAAAAACMHW5peF9jYWNoZS5zdG9yYWdlLm1pbmlvX2NsYWltlIwOX0NsYWltUHJvdmlkZXKUk5QpgZQu",
        "RetiredClaimProvider",
    ),
    "storage.claim": (
        "gASVMQAAAAAAAACMF25peF9jYWNoZS5zdG9yYWdlLmNsYWltlIwOX0NsYWltUHJvdmlkZXKUk5QpgZQu",
        "RetiredClaimProvider",
    ),
    "storage.spaces_claim": (
        "gASVOAAAAAAAAACMHm5peF9jYWNoZS5zdG9yYWdlLnNwYWNlc19jbGFpbZSM"
        "Dl9DbGFpbVByb3ZpZGVylJOUKYGULg==",
        "RetiredClaimProvider",
    ),
    "storage.b2_claim": (
        "gASVOgAAAAAAAACMGm5peF9jYWNoZS5zdG9yYWdlLmIyX2NsYWltlIwUX0J1"
        "Y2tldENsYWltUHJvdmlkZXKUk5QpgZQu",
        "RetiredClaimProvider",
    ),
    "storage.b2_bucket": (
        "gASVNgAAAAAAAACMG25peF9jYWNoZS5zdG9yYWdlLmIyX2J1Y2tldJSMD19CdWNrZXRQcm92aWRlcpSTlCmBlC4=",
        "B2BucketProvider",
    ),
    "storage.b2_key": (
        "gASVMAAAAAAAAACMGG5peF9jYWNoZS5zdG9yYWdlLmIyX2tleZSMDF9LZXlQcm92aWRlcpSTlCmBlC4=",
        "B2KeyProvider",
    ),
    "storage.b2_object": (
        "gASVOgAAAAAAAACMG25peF9jYWNoZS5zdG9yYWdlLmIyX29iamVjdJSME19U"
        "ZXh0T2JqZWN0UHJvdmlkZXKUk5QpgZQu",
        "B2TextObjectProvider",
    ),
}
"""By module of version 0.1.0, what states keep of its provider, and the class of today."""


def made(backend: str) -> Recorder:
    """Return what a cache on a backend registers."""
    recorder = Recorder(answers=dict(FREE) if backend == "aws" else {})
    return run(lambda: BinaryCache("c", CACHES[backend]).manifest, recorder)


def stored(code: str) -> str:
    """Return the module and the class that the state keeps. Nothing else is in it."""
    texts = [arg for _, arg, _ in pickletools.genops(base64.b64decode(code)) if type(arg) is str]
    return " ".join(texts)


@pytest.mark.parametrize("backend", CACHES)
@pytest.mark.parametrize(
    ("is_plugin", "prefix"),
    [(False, "pulumi-python:dynamic/nix-cache:"), (True, "nix-cache:index:")],
    ids=["python", "other languages"],
)
def test_states_keep_these_types_and_providers(
    monkeypatch: pytest.MonkeyPatch, backend: str, is_plugin: bool, prefix: str
) -> None:
    """In stacks of Python programs, and in those of other languages."""
    monkeypatch.setattr(pulumi.CustomResource, "__init__", pulumi.CustomResource.__init__)
    if is_plugin:
        register_as_own()
    found = {r.type: stored(r.code) for r in made(backend).resources if r.code}

    names = {"SigningKey", "NameReservation"}
    names |= {name for name in PROVIDERS if name.lower().startswith(backend)}
    assert found == {prefix + name: PROVIDERS[name] for name in names}


@pytest.mark.parametrize("backend", FORMER)
def test_a_reservation_continues_the_claim_of_version_0_1_0(backend: str) -> None:
    """In stacks of both kinds."""
    kind, name = FORMER[backend]

    assert made(backend).one(":NameReservation", "c-names").former == {
        (f"pulumi-python:dynamic/nix-cache:{kind}", name),
        (f"nix-cache:index:{kind}", name),
    }


def test_the_reservation_of_the_identity_provider_continues_its_claim() -> None:
    """AWS has a second name: an account can have one identity provider for GitHub."""
    writer: WriterArgs = {
        "name": "gha",
        "github_repository": "example/nixpkgs",
        "github_branch": "main",
    }
    args: BinaryCacheArgs = {**CACHES["aws"], "public": False, "writers": [writer]}
    recorder = run(lambda: BinaryCache("c", args).manifest, Recorder(answers=dict(FREE)))

    name = "c-claim-token.actions.githubusercontent.com"
    assert recorder.one(":NameReservation", "c-names-github").former == {
        ("pulumi-python:dynamic/nix-cache:Claim", name),
        ("nix-cache:index:Claim", name),
    }


@pytest.mark.parametrize(("code", "name"), RELEASE_0_1_0.values(), ids=RELEASE_0_1_0)
def test_what_version_0_1_0_stored_is_still_loaded(code: str, name: str) -> None:
    """And can be configured, which every call of the engine does first."""
    provider: Any = pickle.loads(base64.b64decode(code))  # as the SDK does it

    assert type(provider).__name__ == name
    assert isinstance(provider, ResourceProvider)
    provider.configure(ConfigureRequest(Config({}, "nix-cache")))
    if name == "RetiredClaimProvider":
        claim = {"name": "a", "problem": ""}
        assert provider.read("a", claim).outs == claim
        provider.delete("a", claim)
