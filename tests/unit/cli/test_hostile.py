"""Each command as a process against hostile storage: one clear error, in time, in 300 MB."""

import itertools
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from nix_cache.cli.hook.queue import Queue
from tests.unit.cli.client_process import BUILT, OWNER, Machine, nix
from tests.unit.cli.misbehaving import Misbehaving, answer, misbehaving
from tests.unit.cli.peak_memory import peak_bytes, prelude

MOST_BYTES = 300_000_000
INFO = b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
NARINFO = (
    f"StorePath: {BUILT}\nURL: nar/x.nar.zst\nCompression: zstd\nNarHash: sha256:{'0' * 52}\n"
    "NarSize: {size}\nReferences: \n"
)
FLOOD = b"StorePath: /nix/store/" + b"x" * 1_000_000


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Provide a machine whose closures have forty paths."""
    machine = Machine.at(tmp_path)
    paths = [f"/nix/store/{number:032d}-path" for number in range(40)]
    machine.program("nix", nix([*paths, BUILT]))
    return machine


def peak(machine: Machine, *arguments: str) -> tuple[int, str, int]:
    """Run a command; gives its exit code, its standard error, and its peak memory in bytes."""
    mark = machine.home / "peak"
    done = machine.run(*arguments, prelude=prelude(mark), seconds=120)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr, peak_bytes(mark)


def push(machine: Machine, url: str) -> list[str]:
    machine.uses(url)
    return ["push", BUILT]


def drain(machine: Machine, url: str) -> list[str]:
    machine.uses(url)
    (machine.queue / "queue" / BUILT.rpartition("/")[2]).symlink_to(BUILT)
    return ["hook", "--drain"]


def doctor(machine: Machine, url: str) -> list[str]:
    machine.knows_credentials()
    return ["doctor", machine.source(url), "--owner", OWNER, "--all", "--deep"]


def gc(machine: Machine, url: str) -> list[str]:
    machine.knows_credentials()
    return ["gc", machine.source(url), "--owner", OWNER, "--older-than", "1", "--yes"]


def use(_machine: Machine, url: str) -> list[str]:
    return ["use", f"{url}/demo"]


def page(keys: list[str], *, token: str = "", size: int = 10) -> bytes:
    """Return a page of a listing."""
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    entries = "".join(
        f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>x</ETag>"
        "<LastModified>2020-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    return (
        f"<ListBucketResult><IsTruncated>{'true' if token else 'false'}</IsTruncated>{more}"
        f"{entries}</ListBucketResult>"
    ).encode()


def serving(narinfo: Callable[[Misbehaving, socket.socket], None]) -> Callable[..., None]:
    """Return a storage that is well but for its narinfos."""
    keys = [f"{number:032d}.narinfo" for number in range(40)]

    def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
        asked = server.requests[-1]
        if ".narinfo" in asked and asked.startswith("GET"):
            narinfo(server, line)
        elif "list-type" in asked:
            listed = ["nar/x.nar"] if "prefix=nar" in asked else []
            found = listed if "prefix=" in asked else [*keys, "nix-cache-info"]
            line.sendall(answer(page(found)))
        elif asked.startswith("PUT"):
            line.sendall(answer())
        elif "nix-cache-info" in asked:
            line.sendall(answer(INFO))
        else:
            line.sendall(answer(b"<Error><Code>NoSuchKey</Code></Error>", "404 Not Found"))

    return act


def endless(server: Misbehaving, line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    server.flood(line, FLOOD)


def large(server: Misbehaving, line: socket.socket) -> None:
    line.sendall(answer(b"", length=1_000_000_000))
    server.flood(line, FLOOD)


@pytest.mark.parametrize("narinfo", [endless, large])
@pytest.mark.parametrize("command", [push, drain, doctor, gc])
def test_narinfos_without_an_end_take_little_memory(
    machine: Machine,
    command: Callable[[Machine, str], list[str]],
    narinfo: Callable[[Misbehaving, socket.socket], None],
) -> None:
    """Each is a finding, or the error of the command."""
    with misbehaving(serving(narinfo)) as server:
        code, err, memory = peak(machine, *command(machine, server.url))

    assert code == 1, err
    assert memory < MOST_BYTES


def test_a_hostile_number_holds_up_no_queue(machine: Machine) -> None:
    """It is longer than Python reads. The path is there already, and readers refuse it."""
    content = NARINFO.format(size="9" * 4301).encode()
    with misbehaving(serving(lambda _, line: line.sendall(answer(content)))) as server:
        code, err, _ = peak(machine, *drain(machine, server.url))

    assert code == 1
    assert "readers refuse" in err
    assert Queue(machine.queue).paths() == []
    assert "readers refuse" in str(Queue(machine.queue).last_error)


@pytest.mark.parametrize("command", [push, drain, doctor, gc, use])
def test_an_endpoint_that_redirects_everything_is_one_error(
    machine: Machine, command: Callable[[Machine, str], list[str]]
) -> None:
    """It names where to; nothing is followed."""

    def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
        target = f"https://{server.address}{server.requests[-1].split()[1]}"
        line.sendall(answer(b"", "301 Moved Permanently", Location=target))

    with misbehaving(act) as server:
        code, err, _ = peak(machine, *command(machine, server.url))

    assert code == 1
    if command is not doctor:  # whose findings are on standard output
        [error] = [line for line in err.splitlines() if line.startswith("error:")]
        assert f"redirects to https://{server.address}" in error
        assert "URL" in error
    assert len(server.requests) < 10


LISTING_ERRORS = {
    "same token": "",
    "same page": "repeats itself after 1 objects",
    "empty": "has more than 100 empty pages in a row",
    "huge page": "is larger than 4,000,000 bytes, the most that is read of a page of a listing",
}


@pytest.mark.parametrize("command", [doctor, gc])
@pytest.mark.parametrize("kind", LISTING_ERRORS)
def test_a_listing_without_an_end_is_an_error(
    machine: Machine, command: Callable[[Machine, str], list[str]], kind: str
) -> None:
    """Whatever its continuation tokens are."""
    numbers = itertools.count(1)

    def act(server: Misbehaving, line: socket.socket, _number: int) -> None:
        asked = server.requests[-1]
        if "list-type" not in asked or "max-keys" in asked:
            line.sendall(answer(page([]) if "list-type" in asked else INFO))
            return
        number = next(numbers)
        match kind:
            case "same token":
                content = page([f"{number:08d}.narinfo"], token="again")
            case "same page":
                prefix = "nix-cache-roots/" if "prefix=nix-cache-roots" in asked else "nar/"
                key = f"{prefix}0.nar" if "prefix=" in asked else "0.narinfo"
                # Another part of the keys, which is listed at the same time, has no such key.
                wanted = parse_qs(urlsplit(asked.split()[1]).query).get("prefix", [""])[0]
                is_there = key.startswith(wanted)
                content = page([key], token=f"{number}") if is_there else page([])
            case "empty":
                content = page([], token=f"{number}")
            case _:
                line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<ListBucketResult>")
                server.flood(line, b"<Contents></Contents>" * 10_000)
                return
        line.sendall(answer(content))

    with misbehaving(act) as server:
        code, err, memory = peak(machine, *command(machine, server.url))

    assert code == 1, err
    assert memory < MOST_BYTES
    if command is gc:  # doctor's findings are on standard output
        assert LISTING_ERRORS[kind] in err
