"""What a command loads before it does its work: each module takes time in every push."""

import socket
import sys
from pathlib import Path

import pytest

from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.narinfo_writer import NarFile, signed_narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from tests.unit.cli.client_caches import KEY
from tests.unit.cli.client_process import BUILT, Machine
from tests.unit.cli.misbehaving import Misbehaving, answer, misbehaving

NAR = NarFile(NixHash("sha256", bytes(32)), 100)
INFO = PathInfo(
    path=BUILT,
    nar_hash=NixHash("sha256", bytes(32)),
    nar_size=120,
    references=(),
    deriver=None,
    signatures=(),
    ca=None,
    ultimate=False,
    registration_time=None,
)
MOST_MODULES = 117
"""Of this package, in a push of paths that are all there."""

LIBRARIES = {
    *("annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection"),
    *("annotated_doc", "click", "shellingham", "typer"),
    *("backports", "brotli", "nacl", "urllib3", "zstandard"),
}
"""Typer needs pydantic, too. The others read the manifest, sign, send, and undo encodings."""

_PRELUDE = """
import atexit
before = set(sys.modules)
atexit.register(lambda: open({mark!r}, "w").write(" ".join(set(sys.modules) - before)))
"""


def modules(machine: Machine, *arguments: str) -> set[str]:
    """Run the command, which has to succeed, and return the modules that it loaded."""
    mark = machine.home / "modules"
    done = machine.run(*arguments, prelude=_PRELUDE.format(mark=str(mark)))
    assert done.returncode == 0, done.stderr
    return set(mark.read_text().split())


def has_everything(server: Misbehaving, line: socket.socket, number: int) -> None:
    """Answer as a storage that has the path, and in which no collection ever ran."""
    method, target, _ = server.requests[number - 1].split()
    if target == "/demo/nix-cache-info":
        line.sendall(answer(b"StoreDir: /nix/store\n"))
    elif target == f"/demo/{narinfo_key(BUILT)}":
        line.sendall(answer(signed_narinfo(INFO, NAR, KEY)))
    elif target == f"/demo/{NAR.key}":
        line.sendall(answer(length=NAR.file_size))
    elif method == "PUT":
        line.sendall(answer())
    else:
        line.sendall(answer(b"<Error><Code>NoSuchKey</Code></Error>", "404 Not Found"))


def test_a_push_of_what_is_there_loads_little(tmp_path: Path) -> None:
    """Nothing that reads XML, uploads in parts, verifies TLS, draws on terminals or runs AWS."""
    machine = Machine.at(tmp_path)
    with misbehaving(has_everything) as server:
        machine.uses(server.url)
        found = modules(machine, "push", BUILT)

    assert "nix_cache.cli.upload.session" in found
    assert not found & {
        *("boto3", "botocore", "jinja2", "pulumi", "requests", "rich", "watchdog"),
        *("asyncio", "concurrent.futures", "urllib.request", "xml.etree", "xml.sax"),
        *("nix_cache.cli.s3.answers", "nix_cache.cli.nix.conf_sources"),
        *("nix_cache.cli.upload.pinning", "nix_cache.formats.pin"),
    }
    packages = {name.partition(".")[0] for name in found} - sys.stdlib_module_names
    assert {name for name in packages if not name.startswith("_")} <= {"nix_cache", *LIBRARIES}
    assert sum(name.startswith("nix_cache") for name in found) <= MOST_MODULES


@pytest.mark.parametrize(
    ("command", "folder"), [("push", "push"), ("use", "use"), ("stack", "stack"), ("pins", "pin")]
)
def test_the_options_of_other_commands_are_not_loaded(
    tmp_path: Path, command: str, folder: str
) -> None:
    found = modules(Machine.at(tmp_path), command, "--help")

    assert {name for name in found if name.endswith(".command")} == {
        f"nix_cache.cli.{folder}.command"
    }


@pytest.mark.parametrize("arguments", [["--help"], ["help"]])
def test_a_list_of_all_commands_loads_none_of_their_work(
    tmp_path: Path, arguments: list[str]
) -> None:
    found = modules(Machine.at(tmp_path), *arguments)

    assert {"nix_cache.cli.push.command", "nix_cache.cli.stack.command"} <= found
    assert not found & {"boto3", "botocore", "nacl", "pulumi", "urllib3", "zstandard"}
