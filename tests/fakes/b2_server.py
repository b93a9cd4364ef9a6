"""The simulated B2 behind a local HTTP service, which fails on demand.

It serves the requests of Backblaze's own API that the SDK makes for a cache. Any other request, and
any parameter that it does not know, is refused, and fails the test that made it.
"""

import base64
import io
import json
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Self
from urllib.parse import unquote

from b2sdk.v3 import exception as sdk

from tests.engine.ports import ReservedPort
from tests.fakes.b2_requests import UnknownRequestError, translated
from tests.fakes.b2_service import Service
from tests.fakes.forwarding import ForwardingServer

_UPLOADS = "/upload/"
_SIMULATED_UPLOADS = "https://upload.example.com/"

_CODES: tuple[tuple[type[Exception], int, str], ...] = (
    (sdk.DuplicateBucketName, 400, "duplicate_bucket_name"),
    (sdk.NonExistentBucket, 400, "bad_bucket_id"),
    (sdk.FileNotPresent, 400, "file_not_present"),
    (sdk.BadJson, 400, "bad_json"),
)
"""How the service reports what the simulator raises; what is not here brings its own code."""


class Fault(StrEnum):
    """What becomes of a request."""

    LOST = "done, but the answer is lost"
    BUSY = "answered 503"
    HELD = "done, and not answered until the test says so"


@dataclass(frozen=True)
class _RefusedError(Exception):
    status: int
    code: str
    message: str


class B2Server:
    """The service on its own loopback port, with nothing in it but one account."""

    def __init__(self) -> None:
        self.service = Service()
        self.requests: Counter[str] = Counter()
        """How often each request was made."""
        self.unknown: list[str] = []
        """What the service does not have."""
        self.held = threading.Event()
        """Set when a request is held."""
        self.release = threading.Event()
        """To be set by the test, to let it go on."""
        self._faults: dict[str, list[Fault]] = {}
        self._lock = threading.Lock()
        self._http: _Server | None = None
        self._port = ReservedPort()
        self.start()

    @property
    def url(self) -> str:
        """Where accounts are authorized: the realm."""
        return f"http://{self._port.netloc}"

    def fail(self, request: str, *faults: Fault) -> None:
        """Let the next requests of a name fail, one for each fault."""
        self._faults[request] = list(faults)

    def start(self) -> None:
        """Listen, on the port that it had."""
        self._http = _Server(self._port.address, _Handler)
        self._http.b2 = self
        self.service.API_URL = self.service.DOWNLOAD_URL = self.url
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        """Be down; what is in it stays."""
        self.release.set()
        if self._http is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()
            self._http = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._port.release()

    def answer(self, request: str, act: Callable[[], Any]) -> Any:
        """Do what a request asks for, one at a time, unless a fault says otherwise.

        Returns:
            the answer, or None where it is lost.

        Raises:
            _RefusedError: the service refuses.
        """
        with self._lock:
            self.requests[request] += 1
            faults = self._faults.get(request)
            fault = faults.pop(0) if faults else None
            if fault is Fault.BUSY:
                raise _RefusedError(503, "service_unavailable", "busy")
            answer = _explained(act)
        if fault is Fault.HELD:
            self.held.set()
            self.release.wait()
        return None if fault in (Fault.LOST, Fault.HELD) else answer

    def call(self, request: str, token: str, body: Mapping[str, Any]) -> Any:
        """One request with parameters in JSON."""
        try:
            arguments = translated(request, body)
        except UnknownRequestError as unknown:
            self.unknown.append(str(unknown))
            raise _RefusedError(501, "not_simulated", str(unknown)) from None
        if token not in self.service.auth_token_to_key:
            raise _RefusedError(401, "bad_auth_token", "Invalid authorization token")
        method = getattr(self.service, request.removeprefix("b2_"))
        answer = method(self.service.API_URL, token, **arguments)
        if request == "b2_get_upload_url":
            uploads = f"{self.url}{_UPLOADS}"
            answer["uploadUrl"] = answer["uploadUrl"].replace(_SIMULATED_UPLOADS, uploads)
        return answer


def _explained(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except sdk.B2Error as error:
        for kind, status, code in _CODES:
            if isinstance(error, kind):
                raise _RefusedError(status, code, str(error)) from None
        status = 401 if isinstance(error, sdk.Unauthorized) else 400
        raise _RefusedError(status, getattr(error, "code", "bad_request"), str(error)) from None


class _Server(ForwardingServer):
    b2: B2Server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        b2 = self.server.b2
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.path.startswith(_UPLOADS):
                answer = b2.answer("upload", lambda: self._upload(body))
            else:
                version, _, request = self.path.removeprefix("/b2api/").partition("/")
                if version != "v4":
                    b2.unknown.append(self.path)
                answer = b2.answer(request, lambda: self._call(request, json.loads(body)))
        except _RefusedError as refusal:
            self._send(refusal.status, vars(refusal))
            return
        if answer is None:
            self._reset()
        else:
            self._send(200, answer)

    def do_GET(self) -> None:
        self.server.b2.unknown.append(f"{self.command} {self.path}")
        self._send(501, {"status": 501, "code": "not_simulated", "message": self.path})

    do_HEAD = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _call(self, request: str, body: Mapping[str, Any]) -> Any:
        authorization = self.headers["Authorization"]
        if request != "b2_authorize_account":
            return self.server.b2.call(request, authorization, body)
        key_id, key = _basic(authorization)
        return self.server.b2.service.authorize_account(self.server.b2.url, key_id, key)

    def _upload(self, body: bytes) -> Any:
        service = self.server.b2.service
        return service.upload_file(
            _SIMULATED_UPLOADS + self.path.removeprefix(_UPLOADS),
            self.headers["Authorization"],
            unquote(self.headers["X-Bz-File-Name"]),
            len(body),
            self.headers["Content-Type"],
            self.headers["X-Bz-Content-Sha1"],
            {},
            io.BytesIO(body),
        )

    def _send(self, status: int, answer: Mapping[str, Any]) -> None:
        content = json.dumps(answer, default=list).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)  # closing now sends a reset instead of an orderly end
        self.connection.setsockopt(SOL_SOCKET, SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()


def _basic(authorization: str) -> tuple[str, str]:
    """Return the name and the password of a header."""
    name, _, password = (
        base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    )
    return name, password
