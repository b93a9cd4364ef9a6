"""The backend on a MinIO server."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nix_cache.backends.loading import BackendFolder
from nix_cache.backends.spec import BackendSpec, Provider
from nix_cache.iam.values import is_true


def _without_tls(read: Callable[[str], Any], environment: Mapping[str, str]) -> Iterator[str]:
    ssl = read("minioSsl")
    if not is_true(environment.get("MINIO_ENABLE_HTTPS") if ssl is None else ssl):
        yield "reaches MinIO without TLS (minioSsl is not true)"
    if is_true(read("minioInsecure")):
        yield "accepts any certificate (minioInsecure)"


_HERE = BackendFolder(__package__)

SPEC = BackendSpec(
    name="minio",
    title="MinIO",
    settings=_HERE.value("settings", "MinioSettings"),
    provision=_HERE.function("storage", "provision"),
    question=_HERE.function("reservation", "question"),
    resource_types=_HERE.value("resource_types", "TYPES"),
    package="pulumi_minio",
    provider=Provider(
        package="minio",
        sdk="pulumi_minio",
        secret_settings=("minioPassword", "minioSecretKey", "minioSessionToken"),
        without_tls=_without_tls,
    ),
    drift=_HERE.value("drift.spec", "DRIFT"),
    complete=_HERE.function("configuration", "complete"),
    program_settings={"connectionFile": "a file that names a server and its administrator."},
    program_defaults={"endpoint": "the provider's server"},
    lifecycle_rules=1000,
    unfinished_upload_days=1,
    has_trace=True,
    no_dots="",  # requests have the bucket's name in their path
)
