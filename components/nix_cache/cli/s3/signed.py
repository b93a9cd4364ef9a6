"""Where a request to a bucket goes, and with which headers: anonymous, or signed by one user."""

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from nix_cache.cli.s3.body import FilePart
from nix_cache.cli.s3.credentials import Credential, Identity
from nix_cache.cli.s3.errors import UnusableKeyError
from nix_cache.cli.s3.signature import EMPTY_DIGEST, KeyPair, Secret, Signer, host_of

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_DOT_SEGMENT = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_WITH_BODY = frozenset({"POST", "PUT"})


class BucketRequests:
    """Addresses and headers of the requests to one bucket.

    Args:
        url: of the bucket, without a slash at its end.
        region: what requests are signed for.
        credential: of the user whose requests these are; None for anonymous ones.
    """

    def __init__(
        self,
        url: str,
        region: str,
        credential: "Credential | Identity | Credentials | KeyPair | None",
    ) -> None:
        self._url = url
        self._host = host_of(url)
        self._is_whole_host = not urlsplit(url).path  # in virtual-hosted style
        self._signer = Signer(region)
        self._credentials = _credentials(credential)

    def signed(
        self, method: str, key: str, query: str, headers: Mapping[str, str], body: bytes | FilePart
    ) -> tuple[str, dict[str, str]]:
        """Return the URL and the headers of a request.

        Raises:
            UnusableKeyError: HTTP would change the path of the key.
        """
        if _DOT_SEGMENT.search(key):
            raise UnusableKeyError(key)
        url = f"{self._url}/{quote(key)}" if key or self._is_whole_host else self._url
        url = f"{url}?{query}" if query else url
        sent = {"Host": self._host, **headers}
        if body or method in _WITH_BODY:
            sent["Content-Length"] = str(len(body))
        if self._credentials is None:
            return url, sent
        secret = _secret(self._credentials)
        return url, self._signer.headers(method, url, sent, _digest(body), secret)


def _digest(body: bytes | FilePart) -> str:
    if isinstance(body, FilePart):
        return body.digest()
    return hashlib.sha256(body).hexdigest() if body else EMPTY_DIGEST


def _credentials(
    credential: "Credential | Identity | Credentials | KeyPair | None",
) -> "Credentials | KeyPair | None":
    if isinstance(credential, Credential):
        return KeyPair(credential.access_key_id, credential.secret_access_key)
    return credential.credentials if isinstance(credential, Identity) else credential


def _secret(credentials: "Credentials | KeyPair") -> Secret:
    """Return the parts of a credential as they are now."""
    if isinstance(credentials, KeyPair):
        return credentials
    from nix_cache.cli.s3.aws_session import frozen  # botocore takes long to load

    return frozen(credentials)
