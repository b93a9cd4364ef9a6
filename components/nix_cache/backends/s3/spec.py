"""The backend on any service with an S3 API."""

from nix_cache.backends.loading import BackendFolder
from nix_cache.backends.spec import BackendSpec, CredentialResource, Provider

_HERE = BackendFolder(__package__)

SPEC = BackendSpec(
    name="s3",
    title="S3-compatible services",
    settings=_HERE.value("settings", "S3Settings"),
    provision=_HERE.function("storage", "provision"),
    question=_HERE.function("reservation", "question"),
    resource_types=_HERE.value("resource_types", "TYPES"),
    package="boto3",
    verification=_HERE.value("verification", "VERIFICATION"),
    provider=Provider(package="s3", sdk="", secret_settings=("secretAccessKey", "sessionToken")),
    complete=_HERE.function("configuration", "complete"),
    program_settings={"connectionFile": "a file that names a service and its administrator."},
    program_defaults={"endpoint": "that of the connection file"},
    rights_need="`iamEndpoint`",
    credential=CredentialResource("S3AccessKey", "-access-key"),
    lifecycle_rules=None,
    unfinished_upload_days=7,
    no_dots="",  # the settings refuse them where requests have the bucket's name in their host
)
