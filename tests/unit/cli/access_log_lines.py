"""Lines of access logs as AWS S3 documents them."""

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
READER = "arn:aws:iam::123456789012:user/team-cache-nixreader"


def log_line(
    key: str = "-",
    *,
    time: str = "26/Nov/2019:08:00:00 +0000",
    operation: str = "REST.GET.OBJECT",
    requester: str = "-",
    status: int | str = 200,
    sent: int | str = "-",
    size: int | str = "-",
    bucket: str = "team-cache",
    address: str = "192.0.2.3",
    uri: str = "GET /x HTTP/1.1",
    agent: str = "curl/8 Nix/2.34",
    error: str = "-",
    more: str = (
        " s9lzHYrFp76ZVxRcpX9+5c= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader "
        "team-cache.s3.eu-central-1.amazonaws.com TLSv1.2 - -"
    ),
) -> bytes:
    """Return a line, without its end."""
    return (
        f"{OWNER} {bucket} [{time}] {address} {requester} 3E57427F3EXAMPLE {operation} {key} "
        f'"{uri}" {status} {error} {sent} {size} 7 5 "-" "{agent}" -{more}'
    ).encode()
