"""A small real web server that is asked for names as MinIO is, and checks signatures as AWS."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_ADMIN = {
    "/minio/admin/v3/user-info": ("user", "accessKey", "XMinioAdminNoSuchUser"),
    "/minio/admin/v3/info-canned-policy": ("policy", "name", "XMinioAdminNoSuchPolicy"),
}


@dataclass
class NameServer:
    """What is asked, and how the server answers, which a test may change at any time.

    Attributes:
        settings: of a provider that uses it.
        password: the administrator's.
        asked: the names that it was asked for, as kind and name.
        status: an HTTP status that it answers to everything, unless it is 0.
        found: by kind and name, what it answers of something that exists.
    """

    settings: dict[str, str]
    password: str = "hidden-1"
    asked: list[str] = field(default_factory=list)
    status: int = 0
    found: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        """Return the status and the body of an answer."""
        url = urlsplit(path)
        if admin := _ADMIN.get(url.path):
            kind, parameter, missing = admin
            name = parse_qs(url.query)[parameter][0]
        else:
            kind, name, missing = "bucket", unquote(url.path[1:]), "NoSuchBucket"
        self.asked.append(f"{kind}/{name}")
        if self.status:
            return self.status, ""
        if not self._is_signed(path, headers):
            return 403, "<Error><Code>SignatureDoesNotMatch</Code></Error>"
        if name in ("taken", self.settings["minioUser"]):
            return 200, "{}"
        if text := self.found.get(f"{kind}/{name}"):
            return 200, text
        error = f"<Error><Code>{missing}</Code></Error>"
        return 404, json.dumps({"Code": missing}) if admin else error

    def _is_signed(self, path: str, headers: dict[str, str]) -> bool:
        signed = ("host", "x-amz-content-sha256", "x-amz-date")
        request = AWSRequest(
            "GET",
            f"http://{headers['host']}{path}",
            headers={name: headers[name] for name in signed},
        )
        request.context["timestamp"] = headers["x-amz-date"]
        auth = S3SigV4Auth(
            Credentials(self.settings["minioUser"], self.password), "s3", "us-east-1"
        )
        text = auth.string_to_sign(request, auth.canonical_request(request))
        return headers["authorization"].endswith(f"Signature={auth.signature(text, request)}")


@contextlib.contextmanager
def name_server() -> Iterator[NameServer]:
    """Provide a server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = served.answer(self.path, headers)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"127.0.0.1:{server.server_port}"
        served = NameServer(
            {"minioServer": address, "minioUser": "root-1", "minioPassword": "hidden-1"}
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
