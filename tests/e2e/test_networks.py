"""The real Nix and the client on the same network: certificates, proxies, and a dead cache."""

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest
import trustme

from nix_cache.cli.doctor.outage_cost import if_dead
from nix_cache.cli.s3.proxies import proxy_of
from nix_cache.formats.manifest import MANIFEST_KEY
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.unit.cli.client_caches import WRITER, outputs

ENDPOINT = "https://s3.example.org"
PATH = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-absent"


def nix_reads(machine: Nix, url: str) -> bool:
    """Return whether the real Nix reads nix-cache-info of a cache."""
    options = ("--option", "download-attempts", "1", "--extra-experimental-features", "nix-command")
    return machine.run("store", "info", "--store", url, *options).exit_code == 0


def client_reads(machine: Nix, url: str) -> bool:
    """Return whether the client reads the manifest there: it is another cache's, so not used."""
    done = machine.run("use", url, "--user", "--dry-run", program="nix-cache")
    assert "Traceback" not in done.output
    return "does not answer" not in done.err and "certificate" not in done.err


@contextlib.contextmanager
def answering(info: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """Provide a server, or a proxy for every host: its port, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            is_info = self.path.endswith("nix-cache-info")
            body = info if is_info else b"{}"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


@pytest.mark.parametrize("place", ["setting", "nix variable", "variable", "nowhere"])
def test_both_trust_the_same_certificates(new_nix: NewNix, place: str) -> None:
    """An authority in one place, and a wrong one in a place that counts less."""
    machine = new_nix()
    authority, other = trustme.CA(), trustme.CA()
    right, wrong = machine.home / "right.pem", machine.home / "wrong.pem"
    authority.cert_pem.write_to_path(str(right))
    other.cert_pem.write_to_path(str(wrong))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    for name in ("NIX_SSL_CERT_FILE", "SSL_CERT_FILE"):
        machine.environment.pop(name, None)
    match place:
        case "setting":
            machine.configure(f"ssl-cert-file = {right}")
            machine.environment["NIX_SSL_CERT_FILE"] = str(wrong)
        case "nix variable":
            machine.environment["NIX_SSL_CERT_FILE"] = str(right)
            machine.environment["SSL_CERT_FILE"] = str(wrong)
        case "variable":
            machine.environment["SSL_CERT_FILE"] = str(right)
        case "nowhere":
            machine.environment["SSL_CERT_FILE"] = str(wrong)
    info = f"StoreDir: {machine.store_dir}\n".encode()
    expected = place != "nowhere"
    with answering(info, context) as (port, _):
        url = f"https://localhost:{port}/nix-cache"

        assert nix_reads(machine, url) is expected
        assert client_reads(machine, url) is expected


@pytest.mark.parametrize(
    ("variable", "no_proxy", "is_proxied"),
    [
        ("http_proxy", "", True),
        ("all_proxy", "", True),
        ("ALL_PROXY", "", True),
        ("http_proxy", "invalid", False),
        ("http_proxy", ".cache.invalid", False),
        ("http_proxy", "other.invalid, x", True),
        ("http_proxy", "*", False),
    ],
)
def test_both_go_through_the_same_proxy(
    new_nix: NewNix, variable: str, no_proxy: str, is_proxied: bool
) -> None:
    """To a host that only the proxy can resolve."""
    machine = new_nix()
    url = "http://team.cache.invalid/nix-cache"
    info = f"StoreDir: {machine.store_dir}\n".encode()
    with answering(info) as (port, asked):
        machine.environment |= {variable: f"http://127.0.0.1:{port}", "no_proxy": no_proxy}
        assert nix_reads(machine, url) is is_proxied
        assert bool(asked) is is_proxied
        asked.clear()
        client_reads(machine, url)
        assert asked == ([f"{url}/{MANIFEST_KEY}"] if is_proxied else [])
        found = proxy_of(url, machine.environment)
        assert (found is not None) is is_proxied


@contextlib.contextmanager
def dropping() -> Iterator[str]:
    """Provide the URL of a host that drops packets: its queue of connections is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        lines = [socket.socket() for _ in range(4)]
        for line in lines:
            line.setblocking(False)
            line.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for line in lines:
            line.close()


def test_a_dead_cache_costs_what_doctor_says(new_nix: NewNix) -> None:
    """By Nix's own settings; Nix adds up to half of each wait between tries at random."""
    machine = new_nix()
    with dropping() as url:
        machine.configure(f"substituters = {url}", "connect-timeout = 1", "download-attempts = 3")
        shown = machine.get(
            "config", "show", "--json", "--extra-experimental-features", "nix-command"
        )
        config = {name: entry["value"] for name, entry in json.loads(shown).items()}
        started = time.monotonic()
        machine.realise(PATH)
        seconds = time.monotonic() - started

    stated = re.search(r"waits up to (\d+) s", if_dead(config).what)
    assert stated is not None
    assert stated[1] == "4"
    assert 3 <= seconds <= int(stated[1]) + 3


@pytest.mark.parametrize("command", ["use", "push", "gc", "doctor"])
def test_commands_end_soon_where_packets_are_dropped(new_nix: NewNix, command: str) -> None:
    """The first word comes at once, and the end within 20 s, without addresses of objects."""
    machine = new_nix()
    file = machine.home / "content"
    file.write_text("content")
    path = machine.get("--add", str(file), program="nix-store")
    machine.credentials.parent.mkdir(mode=0o700, exist_ok=True)
    machine.add_profile("owner", {"accessKeyId": "id", "secretAccessKey": "a-secret-key"})
    with dropping() as url:
        text = json.dumps(outputs(storeDir=machine.store_dir))
        text = text.replace(ENDPOINT, url).replace(quote(ENDPOINT, safe=""), quote(url, safe=""))
        source = machine.home / "outputs.json"
        source.write_text(text)
        used = machine.run("use", str(source), "--as", WRITER, "--yes", program="nix-cache")
        assert used.exit_code == 0, used.output
        arguments = {
            "use": ["use", f"{url}/nix-cache", "--user"],
            "push": ["push", path],
            "gc": ["gc", "--owner", "owner", "--older-than", "30", "--dry-run"],
            "doctor": ["doctor"],
        }[command]
        started = time.monotonic()
        done = machine.run(*arguments, program="nix-cache")
        seconds = time.monotonic() - started

    assert done.exit_code == 1
    assert seconds < 20
    assert "waiting for" in done.err or "looking at" in done.err
    assert f"{url} does not answer: no answer within 12 s" in done.output
    for name in (MANIFEST_KEY, "nix-cache-info", ".narinfo"):
        assert f"{url}/{name}" not in done.output
