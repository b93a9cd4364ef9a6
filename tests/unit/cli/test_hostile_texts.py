"""Every command with servers, files and programs whose texts act: none reaches a terminal raw."""

import contextlib
import json
import os
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.cli import app
from nix_cache.cli.machine.places import system_place
from tests.unit.cli import client_caches
from tests.unit.cli.client_caches import KEY, WRITER, outputs
from tests.unit.cli.test_console import assert_harmless

ACTING = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e\u2066\u200b\x7f"
HASH = "0123456789abcdfghijklmnpqrsvwxyz"
RAW = ACTING.encode()

NARINFO = f"""StorePath: /nix/store/{HASH}-x{{0}}
URL: nar/{{1}}.nar
Compression: {{2}}
FileHash: sha256:{{3}}
FileSize: 120
NarHash: sha256:{{3}}
NarSize: 120
References: {{4}}
Deriver: {{5}}
Sig: {{6}}:aaaa
CA: {{7}}
"""


def narinfo(field: int | None = None) -> bytes:
    """Return a narinfo with hostile text in one field, or in all of them."""
    plain = ("", HASH, "none", "0" * 52, "", "", KEY.name, "")
    return NARINFO.format(
        *(ACTING if field in {None, number} else text for number, text in enumerate(plain))
    ).encode()


def listing(key: str, size: int = 300) -> bytes:
    """Return a listing of a bucket with one old key."""
    return (
        "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult><Name>demo</Name>"
        f"<KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>{key}</Key>"
        f"<LastModified>2020-01-01T00:00:00.000Z</LastModified><Size>{size}</Size></Contents>"
        "</ListBucketResult>"
    ).encode()


def answer(
    body: bytes = b"", status: bytes = b"200 OK", *headers: bytes, kind: bytes = b"text/plain"
) -> bytes:
    """Return an answer of HTTP/1.1, as bytes: a server can send any."""
    return b"\r\n".join(
        [
            b"HTTP/1.1 " + status,
            b"Content-Length: %d" % len(body),
            b"Content-Type: " + kind,
            b"Connection: close",
            *headers,
            b"",
            body,
        ]
    )


ERROR = b"<Error><Code>%s</Code><Message>%s</Message><Key>%s</Key></Error>" % (RAW, RAW, RAW)
KIND = {"kind": b"application/xml"}
HOSTS = {
    "reason": answer(b"", b"403 " + RAW),
    "error": answer(ERROR, b"403 Forbidden", **KIND),
    "error without control characters": answer(
        ERROR.replace(RAW, "\u202e\u200b".encode()), b"403 Forbidden", **KIND
    ),
    "location": answer(b"", b"302 Found", b"Location: http://127.0.0.1/" + RAW),
    "another location": answer(b"", b"301 " + RAW, b"Location: " + RAW),
    "headers": answer(b"x", b"200 OK", b"Date: " + RAW, b"Server: " + RAW, b"ETag: " + RAW),
    "encoding": answer(b"x", b"200 OK", b"Content-Encoding: " + RAW),
    "type": answer(b"<html>" + RAW, b"200 OK", kind=RAW),
    "status": b"HTTP/1.1 " + RAW + b"\r\n\r\n",
    "protocol": RAW + b"\r\n\r\n",
    "text": answer(RAW),
    "list of hostile keys": answer(listing(f"{HASH}.narinfo\u202e\u200b&#x9b;"), **KIND),
    "list of hostile NARs": answer(listing("nar/\u202e&#x9b;&#x7f;.nar"), **KIND),
    "StoreDir": answer(b"StoreDir: " + RAW + b"\nWantMassQuery: " + RAW + b"\nPriority: " + RAW),
    "narinfo": answer(narinfo()),
    **{f"narinfo, field {field}": answer(narinfo(field)) for field in (1, 2, 4, 6, 7)},
}


class Host:
    """A server that gives one answer to everything, except that it may describe a cache."""

    def __init__(self) -> None:
        self.everything = b""
        self.manifest: bytes | None = None
        self.is_cache = False

    def reply(self, request: bytes) -> bytes:
        path, _, query = request.partition(b" ")[2].partition(b" ")[0].partition(b"?")
        if self.manifest is not None and path.endswith(b"/nix-cache.json"):
            return answer(self.manifest)
        if self.is_cache and path.endswith(b"/nix-cache-info"):
            return answer(b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n")
        if self.is_cache and b"list-type=2" in query:
            body = self.everything.rpartition(b"\r\n\r\n")[2]
            return answer(listing(f"{HASH}.narinfo", len(body)), **KIND)
        return self.everything


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Host, str]]:
    """Provide a hostile host, and the address at which this machine uses it as a cache."""
    host = Host()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = self.rfile.readline(65536)
            with contextlib.suppress(OSError):
                while self.rfile.readline(65536).strip():
                    pass
                self.wfile.write(host.reply(request))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    home = tmp_path / "home"
    home.mkdir()
    for name in ("NIX_CONFIG", "AWS_PROFILE", "NIX_USER_CONF_FILES", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(client_caches, "ENDPOINT", endpoint)
        file = client_caches.write(tmp_path / "outputs.json", outputs())
        assert app.run(["use", "--system", file, "--as", WRITER, "--yes"]) == 0
        yield host, f"{endpoint}/demo"
        server.shutdown()
        thread.join()


def run(*arguments: str) -> None:
    """Run a command, which may fail, but with its own exit code."""
    assert app.run(list(arguments)) in {0, 1, 2}


@pytest.mark.parametrize("name", HOSTS)
def test_nothing_that_a_server_sends_reaches_the_terminal_raw(
    host: tuple[Host, str], name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server, url = host
    server.everything = HOSTS[name]
    for as_json in [(), ("--json",)] if name in {"error", "narinfo", "StoreDir"} else [()]:
        server.is_cache = False
        run("use", "--system", url, "--dry-run", *as_json)
        run("doctor", url, *as_json)
        server.is_cache = True
        run("doctor", "demo", "--owner", WRITER, "--all", *as_json)
        run("gc", "demo", "--owner", WRITER, "--dry-run", "--older-than", "1", *as_json)

    printed = capfd.readouterr()
    assert_harmless(printed.out)
    assert_harmless(printed.err)
    assert printed.out
    assert printed.err
    assert "unexpected" not in printed.err


HOSTILE_VALUES = ("backend", "bucket", "endpoint", "region", "storeDir", "readUrl", "keyNames")


@pytest.mark.parametrize("field", [*HOSTILE_VALUES, "profiles", "pushUrls", "publicKeys", "any"])
@pytest.mark.parametrize("text", [ACTING, "\ud800", "a\nb"], ids=["acting", "surrogate", "line"])
def test_nothing_that_a_manifest_says_reaches_the_terminal_raw(
    host: tuple[Host, str], field: str, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server, url = host
    manifest = {**outputs()["manifest"], "readUrl": url}
    shape = manifest.get(field, "")
    if isinstance(shape, dict):
        manifest[field] = {text: text}
    elif isinstance(shape, list):
        manifest[field] = [text, f"{KEY.name}:{text}", f"{text}:{KEY.public_text[-44:]}"]
    else:
        manifest[field] = text
    if field == "any":
        manifest = {text: manifest}
    server.manifest = json.dumps(manifest).encode()
    server.everything = answer(b"", b"404 Not Found")
    for as_json in (), ("--json",):
        run("use", "--system", url, "--dry-run", "--yes", *as_json)
        run("use", "--system", url, "--yes", "--name", "other", *as_json)
        run("doctor", url, *as_json)

    printed = capfd.readouterr()
    assert_harmless(printed.out)
    assert_harmless(printed.err)
    assert "unexpected" not in printed.err


def test_nothing_in_files_of_this_machine_reaches_the_terminal_raw(
    host: tuple[Host, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Names of files, lines around a change, profiles, and errors that were kept."""
    assert host
    for file in (system_place().nix_conf, system_place().credentials):
        text = file.read_bytes()
        file.write_bytes(
            f"# {ACTING}\n[{ACTING}]\n{ACTING} = x\nsubstituters = {ACTING}\n".encode() + text
        )
        with file.open("ab") as more:
            more.write(b"# " + RAW + b"\nextra-substituters = https://x/" + RAW + b"\xff")
    named = tmp_path / f"{ACTING}\udcff.json"
    named.write_text("{}")
    for as_json in (), ("--json",):
        run("use", "--system", str(named), *as_json)
        run("use", "--system", "demo", "--remove", "--dry-run", *as_json)
        run("use", "--system", f"{ACTING}\n", "--remove", *as_json)
        run("doctor", "demo", "--owner", ACTING, *as_json)
        run("doctor", ACTING, *as_json)
        run("gc", ACTING, "--owner", ACTING, "--older-than", "1", *as_json)
        run("push", ACTING, "--to", ACTING, *as_json)
    run("gc", "demo", "--owner", WRITER, "--older-than", "1", "--roots-from", str(named))

    printed = capfd.readouterr()
    assert_harmless(printed.out)
    assert_harmless(printed.err)
    assert "\\x1b]0;pwned" in printed.err
    assert "unexpected" not in printed.err


PROGRAMS = {
    "nix": "@nix "
    + json.dumps({"action": "msg", "level": 0, "msg": ACTING})
    + f"\nerror: {ACTING}\n",
    "pulumi": f"error: {ACTING}\n{ACTING}",
    "nix-store": ACTING,
}
"""What a program says before it fails."""


def test_nothing_that_a_program_prints_reaches_the_terminal_raw(
    host: tuple[Host, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A Nix and a Pulumi that fail, in words that they have from a server."""
    assert host
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, said in PROGRAMS.items():
        (folder / f"{name}.txt").write_text(said)
        (folder / name).write_text(f"#!/bin/sh\ncat {folder}/{name}.txt >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for as_json in (), ("--json",):
        run("use", "--system", "a-stack", *as_json)
        run("doctor", "a-stack", *as_json)
        run("push", f"/nix/store/{HASH}-x", "--to", "demo", *as_json)
    run("hook", "--install", "--to", "demo")

    printed = capfd.readouterr()
    assert_harmless(printed.out)
    assert_harmless(printed.err)
    assert printed.err.count("\\x1b]0;pwned") >= 4
