"""A process that is AWS for a test: moto, over TLS, with all rights checked.

    python -m tests.fakes.aws_process FOLDER

It prints one line of JSON, with its port and its administrator's credential, puts the certificate
of its authority into the folder, and ends when its standard input does.
"""

import json
import os
import ssl
import sys
import threading
from pathlib import Path

import trustme
from moto import settings
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from tests.fakes import aws_gaps, aws_rights

HOST = "127.0.0.1"
AUTHORITY = "authority.pem"
_ALL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def main() -> None:
    """Serve until the standard input ends."""
    folder = Path(sys.argv[1])
    credential = _administrator()
    aws_gaps.fill()
    aws_rights.check_all()
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    server = make_server(
        HOST,
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
        ssl_context=_tls(folder),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_port, **credential}), flush=True)
    sys.stdin.read()
    os._exit(0)


def _administrator() -> dict[str, str]:
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user("us-east-1", "administrator")
    iam.put_user_policy("administrator", "all", json.dumps(_ALL))
    key = iam.create_access_key("administrator")
    return {"accessKeyId": key.access_key_id, "secretAccessKey": key.secret_access_key}


def _tls(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / AUTHORITY)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    return context


if __name__ == "__main__":
    main()
