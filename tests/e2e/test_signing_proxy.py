"""The signing proxy signs with what it finds, and lets no user through whom the server refuses."""

import base64
import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cache import READER, WRITER, Cache
from tests.e2e.signing_proxy import SigningProxy
from tests.engine.s3 import s3_client

BODY_BYTES = 64 * 2**20
KEY = "nar/of-the-proxy.nar"


@pytest.fixture
def proxy(tmp_path: Path, private_cache: Cache) -> Iterator[SigningProxy]:
    """Provide a proxy with the profiles of a writer, a reader, and a user with a wrong secret."""
    file = tmp_path / "credentials"
    wrong = {**private_cache.outputs["credentials"][WRITER], "secretAccessKey": "wrong-secret"}
    profiles = {**private_cache.outputs["credentials"], "wrong": wrong}
    file.write_text(
        "\n".join(
            f"[{name}]\naws_access_key_id = {credential['accessKeyId']}\n"
            f"aws_secret_access_key = {credential['secretAccessKey']}"
            for name, credential in profiles.items()
        )
    )
    with SigningProxy(file) as running:
        yield running


def ask(
    proxy: SigningProxy, method: str, url: str, profile: str = "", body: bytes | None = None
) -> tuple[int, bytes]:
    """Ask something through the proxy, as curl does: status and content."""
    connection = http.client.HTTPConnection(proxy.address, timeout=60)
    name = base64.b64encode(f"{profile}:".encode()).decode()
    headers = {"Proxy-Authorization": f"Basic {name}"} if profile else {}
    connection.request(method, url, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_a_large_body_goes_through_unchanged(private_cache: Cache, proxy: SigningProxy) -> None:
    """Up by the writer's signature and down by the reader's."""
    body = os.urandom(BODY_BYTES)
    url = f"{private_cache.server.url}/{private_cache.bucket}/{KEY}"

    status, _ = ask(proxy, "PUT", url, WRITER, body)
    assert status == 200
    status, content = ask(proxy, "GET", url, READER)
    private_cache.root.delete_object(Bucket=private_cache.bucket, Key=KEY)

    assert status == 200
    assert content == body


@pytest.mark.parametrize("profile", ["wrong", "unheard-of", ""])
def test_who_has_no_right_credentials_is_refused(
    private_cache: Cache, proxy: SigningProxy, profile: str
) -> None:
    """A wrong secret, a profile that is not there, and none at all."""
    url = f"{private_cache.server.url}/{private_cache.bucket}/nix-cache-info"
    assert ask(proxy, "GET", url, READER)[0] == 200

    assert ask(proxy, "GET", url, profile)[0] == 403


def test_a_reader_does_not_write(private_cache: Cache, proxy: SigningProxy) -> None:
    """The rights are those of the profile, not of the proxy."""
    url = f"{private_cache.server.url}/{private_cache.bucket}/{KEY}"

    assert ask(proxy, "PUT", url, READER, b"a NAR")[0] == 403


def test_a_request_that_is_signed_already_is_left_alone(
    private_cache: Cache, proxy: SigningProxy
) -> None:
    """A client that signs for itself keeps its own identity behind the proxy."""
    credential = private_cache.outputs["credentials"][READER]
    client = s3_client(
        private_cache.server.url, credential["accessKeyId"], credential["secretAccessKey"]
    )
    target = {"Bucket": private_cache.bucket, "Key": "nix-cache-info"}
    url = client.generate_presigned_url("get_object", Params=target)

    assert ask(proxy, "GET", url, "wrong")[0] == 200
