"""A stack's configuration, and the settings of a component."""

import json
from typing import Any

from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.config.setting import BackendSettings
from nix_cache.config.stack import checked_settings
from tests.fuzz.target import Shape, Target
from tests.unit.cli.client_caches import KEY

_SECRET = "minio-password-of-the-root-user"
_MINIO = {
    "nix-cache:domain": "cache.example.org",
    "nix-cache:minio": json.dumps({"endpoint": "https://minio.example.org:9000"}),
    "nix-cache:public": "true",
    "nix-cache:writers": json.dumps(
        [{"name": "nixbuilder", "signingKey": KEY.secret_text}, "ci-runner"]
    ),
    "nix-cache:retiredPublicKeys": json.dumps(["old-1:" + KEY.public_text.partition(":")[2]]),
    "minio:minioUser": "root",
    "minio:minioPassword": _SECRET,
}
_AWS = {
    "nix-cache:backend": "aws",
    "nix-cache:domain": "cache.example.org",
    "nix-cache:aws": json.dumps({"region": "eu-central-1", "cloudfront": {}, "tags": {"a": "b"}}),
    "nix-cache:public": "true",
    "aws:region": "eu-central-1",
}
_ARGUMENTS: dict[str, Any] = {
    "domain": "cache.example.org",
    "minio": {"endpoint": "https://minio.example.org:9000", "userPrefix": "team-"},
    "writers": [{"name": "ci-runner", "generation": 3, "trusted_generations": [1]}],
    "readers": ["nixreader"],
    "expireAfterDays": 30,
}
_TOKENS = (
    b"https://[x",
    b"https://user:password@minio.example.org",
    b"https://minio.example.org:99999",
    b"{}",
    b"[]",
    b"[{",
    b'[{"name": "w", "signingKey": "x"}]',
    b"spaces",
    b"b2",
    b"9" * 4301,
    b"generation",
    b"signingKey",
)


def _check_configuration(data: bytes) -> bool:
    """Check what the engine hands over: texts by full key."""
    values = _object(data)
    if values is None:
        return False
    configured = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
    }
    try:
        checked_settings(configured)
    except SettingsError as mistakes:
        assert mistakes.problems
        assert KEY.secret_text.partition(":")[2] not in str(mistakes), "a secret is shown"
        assert _SECRET not in str(mistakes), "a secret is shown"
        return False
    return True


def _check_arguments(data: bytes) -> bool:
    """Check what another program passes to the component."""
    values = _object(data)
    if values is None:
        return False
    try:
        settings = check(values)
    except SettingsError as mistakes:
        assert mistakes.problems
        return False
    own = settings.own(BackendSettings).model_dump(mode="json", by_alias=True)
    again = check({**settings.model_dump(mode="json", by_alias=True), settings.backend: own})
    assert again == settings
    return True


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None  # another program than ours reads the JSON
    return value if isinstance(value, dict) else None


TARGETS = (
    Target(
        "configuration",
        _check_configuration,
        (json.dumps(_MINIO).encode(), json.dumps(_AWS).encode()),
        Shape.JSON,
        tokens=_TOKENS,
    ),
    Target(
        "arguments",
        _check_arguments,
        (json.dumps(_ARGUMENTS).encode(),),
        Shape.JSON,
        tokens=_TOKENS,
    ),
)
