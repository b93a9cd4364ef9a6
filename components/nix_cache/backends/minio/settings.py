"""The settings of the backend ``minio``. Pure."""

from nix_cache.config.setting import BackendSettings, Endpoint, setting


class MinioSettings(BackendSettings):
    """A MinIO server. Its administrator comes through the MinIO provider."""

    endpoint: Endpoint = setting(
        "The URL under which clients reach the server.",
        must_be="a URL of scheme, host and port, such as ``https://minio.example.org:9000``",
        accepts_outputs=True,
        is_published=True,
    )
    region: str = setting(
        "The server's region.",
        must_be="lower-case letters, digits and hyphens",
        default="us-east-1",
        pattern=r"^[a-z0-9-]+$",
    )
    user_prefix: str | None = setting(
        "The first part of every user's name, as users belong to the whole server.",
        must_be="at most 32 lower-case letters, digits and hyphens",
        default=None,
        default_text="nothing for the bucket ``nix-cache``, else the bucket's name and a hyphen",
        pattern=r"^[a-z0-9-]{0,32}$",
    )
