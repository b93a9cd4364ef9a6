"""The least settings of a cache on each backend, for tests that run on all of them."""

from nix_cache import BinaryCacheArgs

_EVERY: BinaryCacheArgs = {"domain": "cache.example.org", "bucket": "team-cache"}

SAMPLES: dict[str, BinaryCacheArgs] = {
    "minio": {**_EVERY, "minio": {"endpoint": "https://minio.example.org"}},
    "aws": {**_EVERY, "backend": "aws", "aws": {"region": "eu-central-1"}},
    "spaces": {**_EVERY, "backend": "spaces", "spaces": {"region": "fra1"}},
    "b2": {**_EVERY, "backend": "b2", "b2": {"region": "eu-central-003"}},
    "s3": {
        **_EVERY,
        "backend": "s3",
        "s3": {
            "endpoint": "https://s3.example.org",
            "iam_endpoint": "https://iam.example.org",
        },
    },
}
"""By backend. `tests/unit/backends/test_backends.py` requires an entry for each one."""
