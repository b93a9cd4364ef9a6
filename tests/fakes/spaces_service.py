"""A local service in place of DigitalOcean: its API, and Spaces on a MinIO server.

Plugins use it as they use DigitalOcean: the API by a token, and Spaces under its own host names,
for which it is the HTTP proxy. Requests to Spaces are passed on as they are signed, so MinIO finds
out who asks. What Spaces does otherwise than MinIO is done in ``spaces_buckets``.
"""

import json
import threading
import uuid
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from nix_cache.backends.minio.connection import Connection
from tests.fakes.forwarding import ForwardingHandler, ForwardingServer
from tests.fakes.spaces_buckets import DOMAIN, Answer, SpacesBuckets, SpacesRequest
from tests.fakes.spaces_keys import KeyRefusedError, SpacesKeys

TOKEN = "dop_v1_of-the-tests"
CERTIFICATE = {"id": "0d5b6c1e-certificate", "name": "nix-example-org"}
"""The only certificate of the account."""

_JSON = {"Content-Type": "application/json"}


class SpacesService:
    """The service on its own loopback port.

    Args:
        connection: how the administrator of the MinIO server reaches it. The server has to have
            ``DOMAIN`` for its ``MINIO_DOMAIN``.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.keys = SpacesKeys(connection)
        self.buckets = SpacesBuckets(connection, self.keys)
        self.cdns: dict[str, dict[str, Any]] = {}
        """The CDN's endpoints by id."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Of the API, and of the proxy to Spaces."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def provider_config(self) -> dict[str, str]:
        """The configuration of a provider that uses it."""
        return {
            "digitalocean:apiEndpoint": self.url,
            "digitalocean:spacesEndpoint": f"http://{DOMAIN.replace('fra1', '{{.Region}}')}",
            "digitalocean:token": TOKEN,
            "digitalocean:spacesAccessId": self.connection.user,
            "digitalocean:spacesSecretKey": self.connection.password,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which the hosts of Spaces are found here, and nothing else elsewhere."""
        return {
            **dict.fromkeys(("http_proxy", "HTTP_PROXY"), self.url),
            **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ForwardingServer):
    service: SpacesService


class _Handler(ForwardingHandler):
    server: _Server

    def _serve(self) -> None:
        body = self.body()
        if not self.path.startswith("http://"):
            status, reported = self._api(json.loads(body or b"{}"))
            empty = status == HTTPStatus.NO_CONTENT
            self.answer(status, _JSON, b"" if empty else json.dumps(reported).encode())
            return
        url = urlsplit(self.path)
        self.path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        request = SpacesRequest(self.command, url.netloc, url.path, url.query, body)
        self.answer(*self.server.service.buckets.answer(request, self._pass_on))

    def _pass_on(self, body: bytes) -> Answer:
        del self.headers[
            "Accept-Encoding"
        ]  # it is not part of signatures, and answers are read here
        status, headers, content = self.forward(self.server.service.connection.server, body)
        return Answer(status, headers, content)

    def _api(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """DigitalOcean's API, as far as a cache needs it."""
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(HTTPStatus.UNAUTHORIZED, "Unable to authenticate you")
        url = urlsplit(self.path)
        match [self.command, *url.path.strip("/").split("/")]:
            case [method, "v2", "spaces", "keys", *rest]:
                return self._keys(method, rest, body)
            case [method, "v2", "cdn", "endpoints", *rest]:
                return self._cdns(method, rest, body)
            case ["GET", "v2", "certificates"]:
                wanted = parse_qs(url.query).get("name", [""])[0]
                found = [CERTIFICATE] if wanted == CERTIFICATE["name"] else []
                return HTTPStatus.OK, {"certificates": found, "links": {}, "meta": {"total": 1}}
            case ["GET", "v2", "certificates", id_] if id_ == CERTIFICATE["id"]:
                return HTTPStatus.OK, {"certificate": CERTIFICATE}
        return _not_found()

    def _keys(
        self, method: str, rest: list[str], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        service = self.server.service
        key = service.keys.get(rest[0]) if rest else None
        try:
            match method, rest:
                case "GET", []:
                    return HTTPStatus.OK, {"keys": [key.reported() for key in service.keys.all()]}
                case "POST", []:
                    service.buckets.check_limits(body["grants"])
                    made = service.keys.add(body["name"], body["grants"])
                    return HTTPStatus.CREATED, {"key": made.reported(secret=True)}
                case _ if key is None:
                    return _not_found()
                case "GET", [_]:
                    return HTTPStatus.OK, {"key": key.reported()}
                case "PUT", [_]:
                    service.buckets.check_limits(body["grants"])
                    service.keys.change(key, body["name"], body["grants"])
                    return HTTPStatus.OK, {"key": key.reported()}
                case "DELETE", [_]:
                    service.keys.remove(key)
                    return HTTPStatus.NO_CONTENT, {}
        except KeyRefusedError as error:
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        return _not_found()

    def _cdns(
        self, method: str, rest: list[str], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        cdns = self.server.service.cdns
        match method, rest:
            case "POST", []:
                name, region, *host = body["origin"].split(".")
                made = {
                    "id": str(uuid.uuid4()),
                    "endpoint": ".".join([name, region, "cdn", *host]),
                    "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                    **body,
                }
                cdns[made["id"]] = made
                return HTTPStatus.CREATED, {"endpoint": made}
            case "GET", [id_] if id_ in cdns:
                return HTTPStatus.OK, {"endpoint": cdns[id_]}
            case "PUT", [id_] if id_ in cdns:
                cdns[id_].update(body)
                return HTTPStatus.OK, {"endpoint": cdns[id_]}
            case "DELETE", [id_] if id_ in cdns:
                del cdns[id_]
                return HTTPStatus.NO_CONTENT, {}
        return _not_found()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815


def _error(status: int, message: str) -> tuple[int, dict[str, Any]]:
    return status, {"id": HTTPStatus(status).phrase, "message": message}


def _not_found() -> tuple[int, dict[str, Any]]:
    return _error(HTTPStatus.NOT_FOUND, "The resource you were accessing could not be found.")
