"""The post-build hook, run by the real Nix: it pushes, and it never gets in the way of a build."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from nix_cache.formats.narinfo import narinfo_key, verify
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.nix import Nix
from tests.e2e.writer import WritingMachine
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.waiting import wait_until

WAIT_SECONDS = 90
DELAY_SECONDS = 2.0
"""How much longer a build may take on a busy machine; a hook that waited would take minutes."""


class HookedMachine(WritingMachine):
    """A machine whose Nix runs the hook."""

    def __init__(self, nix: Nix, cache: Cache, proxy: FaultyProxy, **environment: str) -> None:
        super().__init__(nix, cache, address=proxy.address)
        self.conf_before = self.user_conf.read_bytes()
        installed = self.run("hook", "--install", **environment)
        assert installed.exit_code == 0, installed.output

    @property
    def user_conf(self) -> Path:
        """The nix.conf that names the hook."""
        return self.nix.home / ".config" / "nix" / "nix.conf"

    @property
    def folder(self) -> Path:
        """Where the queue is."""
        return self.nix.home / ".local/state/nix-cache/hook" / self.cache.bucket

    def status(self) -> dict[str, Any]:
        """Return what `hook --status` prints."""
        done = self.run("hook", "--status", "--json")
        assert done.exit_code == 0, done.output
        reported: dict[str, Any] = json.loads(done.out)
        return reported

    def waiting(self) -> set[str]:
        """Return the names in the queue."""
        return {entry.name for entry in (self.folder / "queue").iterdir()}

    def workers(self) -> list[psutil.Process]:
        """Return the pushes in the background, of this machine alone."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            if "--drain" in (process.info["cmdline"] or ()):
                try:
                    if process.environ().get("HOME") == str(self.nix.home):
                        found.append(process)
                except psutil.Error:
                    continue
        return found

    def stop_workers(self) -> None:
        """End what is pushed in the background, as a restart of the machine would."""
        while workers := self.workers():
            for worker in workers:
                family = [worker, *worker.children(recursive=True)]
                for process in family:
                    try:
                        process.send_signal(signal.SIGKILL)
                    except psutil.NoSuchProcess:
                        continue
                psutil.wait_procs(family, timeout=10)


@pytest.fixture
def proxy(cache: Cache) -> Iterator[FaultyProxy]:
    """Provide a proxy in front of the shared cache's server."""
    with FaultyProxy(cache.outputs["manifest"]["endpoint"].partition("//")[2]) as proxy:
        yield proxy


@pytest.fixture
def machine(nix: Nix, cache: Cache, proxy: FaultyProxy) -> Iterator[HookedMachine]:
    """Provide a machine whose Nix runs the hook."""
    hooked = HookedMachine(nix, cache, proxy)
    yield hooked
    hooked.stop_workers()


def wait_for(condition: Callable[[], bool], machine: HookedMachine, what: str) -> None:
    """Wait until something is the case; fail with the worker's log."""
    log = machine.folder / "log"
    try:
        wait_until(condition, what, seconds=WAIT_SECONDS)
    except AssertionError:
        pytest.fail(log.read_text() if log.exists() else "no log")


def names(paths: Any) -> set[str]:
    """Return the last parts of store paths."""
    return {str(path).rpartition("/")[2] for path in paths}


def test_what_is_built_is_pushed_and_signed(machine: HookedMachine, cache: Cache) -> None:
    """Without a word, in the background; then nothing waits any more."""
    closure = store_paths.build(machine.nix, 2)

    wait_for(lambda: not machine.waiting() and not machine.workers(), machine, "all pushed")

    for path in closure.paths:
        assert verify(cache.narinfo(path), cache.outputs["publicKeys"])
    status = machine.status()
    assert status["waiting"] == []
    assert status["lastError"] is None


def test_the_hook_is_taken_out_again_byte_for_byte(machine: HookedMachine) -> None:
    """nix.conf is as it was, and nothing of the hook is left."""
    before = machine.user_conf.read_bytes()
    assert b"post-build-hook" in before
    again = machine.run("hook", "--install")
    assert again.exit_code == 0, again.output
    assert machine.user_conf.read_bytes() == before

    removed = machine.run("hook", "--remove")

    assert removed.exit_code == 0, removed.output
    assert machine.user_conf.read_bytes() == machine.conf_before
    assert machine.nix.settings()["post-build-hook"] == ""
    assert not list(machine.settings.glob("*post-build-hook*"))
    assert not machine.folder.exists()


def test_a_cache_is_removed_with_its_hook(machine: HookedMachine) -> None:
    """`nix-cache use --remove` leaves nothing behind that Nix would run."""
    removed = machine.run("use", machine.cache.bucket, "--remove", "--user")

    assert removed.exit_code == 0, removed.output
    assert not machine.user_conf.exists()
    assert not machine.settings.exists()
    assert machine.nix.settings()["post-build-hook"] == ""


def test_a_build_waits_for_no_server(machine: HookedMachine, proxy: FaultyProxy) -> None:
    """A server that never answers costs a build no time. The restarted machine pushes."""
    started = time.monotonic()
    machine.nix.get(
        "build",
        "--no-link",
        "--offline",
        "--expr",
        expression("a"),
        "--impure",
        "--option",
        "post-build-hook",
        "",
    )
    without_hook = time.monotonic() - started
    proxy.fail(Fault.HANG)

    started = time.monotonic()
    closure = store_paths.build(machine.nix, 1)
    with_hook = time.monotonic() - started

    assert with_hook < without_hook + DELAY_SECONDS * 2
    assert machine.waiting() == names(closure.paths)
    wait_for(lambda: bool(proxy.requests), machine, "a request")
    machine.stop_workers()
    assert machine.waiting() == names(closure.paths)
    proxy.heal()
    drained = machine.run("hook", "--drain")
    assert drained.exit_code == 0, drained.output
    assert machine.waiting() == set()
    assert {narinfo_key(closure.root)} <= machine.cache.keys()


def expression(name: str) -> str:
    """Return a derivation that no user has built before."""
    return (
        f'derivation {{ name = "{name}"; system = builtins.currentSystem; builder = "/bin/sh"; '
        f'args = [ "-c" "echo {time.time_ns()} > $out" ]; }}'
    )


def test_what_is_built_while_the_server_is_down_waits(
    machine: HookedMachine, proxy: FaultyProxy
) -> None:
    """The build succeeds; the status shows what waits and why; a later build pushes both."""
    proxy.fail(Fault.DOWN)
    first = store_paths.build(machine.nix, 1)

    wait_for(lambda: machine.status()["lastError"] is not None, machine, "an error")
    wait_for(lambda: not machine.workers(), machine, "the end of the worker")
    status = machine.status()
    assert status["waiting"] == [first.root]
    assert "does not answer" in status["lastError"]

    proxy.heal()
    second = store_paths.build(machine.nix, 1)
    wait_for(lambda: not machine.waiting() and not machine.workers(), machine, "all pushed")
    assert {narinfo_key(first.root), narinfo_key(second.root)} <= machine.cache.keys()
    assert machine.status()["lastError"] is None


def test_concurrent_hooks_lose_nothing(machine: HookedMachine, cache: Cache) -> None:
    """Several builds at once, each with its own hooks and workers."""
    closures: list[store_paths.Closure] = []
    builders = [
        threading.Thread(target=lambda: closures.append(store_paths.build(machine.nix, 4)))
        for _ in range(4)
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len(closures) == 4

    wait_for(lambda: not machine.waiting() and not machine.workers(), machine, "all pushed")

    expected = {narinfo_key(path) for closure in closures for path in closure.paths}
    assert len(expected) == 16
    assert expected <= cache.keys()


def test_a_queue_that_cannot_be_written_does_not_fail_a_build(machine: HookedMachine) -> None:
    """The build says so and succeeds."""
    machine.stop_workers()
    for entry in (machine.folder / "queue", machine.folder):
        entry.rmdir()
    machine.folder.write_text("in the way")

    done = machine.nix.run(
        *("build", "--no-link", "--offline", "--print-build-logs", "--impure"),
        *("--expr", expression("blocked")),
    )

    assert done.exit_code == 0, done.output
    assert "could not be queued" in done.err


def test_a_missing_command_does_not_fail_a_build(machine: HookedMachine) -> None:
    """What was built waits until the command is there again."""
    script = next(machine.settings.glob("*-post-build-hook"))
    text = script.read_text()
    script.write_text(text.replace("bin/nix-cache\n", "bin/gone\n"))
    assert script.read_text() != text

    closure = store_paths.build(machine.nix, 1)

    assert machine.waiting() == names(closure.paths)
    assert not machine.workers()


def test_a_full_disk_does_not_fail_the_hook(machine: HookedMachine) -> None:
    """Run on a file system that takes no further file."""
    script = next(machine.settings.glob("*-post-build-hook"))
    mount = f"mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs {machine.folder} && exec {script}"

    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount],
        env=machine.environment(OUT_PATHS=f"/nix/store/{'a' * 32}-one /nix/store/{'b' * 32}-two"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("could not be queued") == 2


def test_a_path_that_waits_is_not_collected(nix: Nix, cache: Cache, proxy: FaultyProxy) -> None:
    """Where the queue is among the garbage collector's roots, until it is pushed."""
    state = nix.store_folder / "var" / "nix"
    nix.get("store", "info")
    assert (state / "gcroots").is_dir()
    machine = HookedMachine(nix, cache, proxy, NIX_STATE_DIR=str(state))
    proxy.fail(Fault.DOWN)
    closure = store_paths.build(nix, 1)
    wait_for(lambda: machine.status()["lastError"] is not None, machine, "an error")
    machine.stop_workers()

    nix.collect_garbage()
    assert nix.has(closure.root)

    proxy.heal()
    assert machine.run("hook", "--drain").exit_code == 0
    assert {narinfo_key(closure.root)} <= cache.keys()
    nix.collect_garbage()
    assert not nix.has(closure.root)


def test_what_is_gone_from_the_store_is_dropped(machine: HookedMachine) -> None:
    """With a word in the log, and without holding up the others."""
    gone = f"/nix/store/{'0' * 32}-gone"
    (machine.folder / "queue" / Path(gone).name).symlink_to(gone)

    drained = machine.run("hook", "--drain")

    assert drained.exit_code == 0, drained.output
    assert f"{gone} is no longer in this machine's store" in drained.err
    assert machine.waiting() == set()


def test_a_path_that_cannot_be_read_does_not_hold_up_the_others(
    machine: HookedMachine, proxy: FaultyProxy
) -> None:
    """It stays in the queue, and the status shows it."""
    proxy.fail(Fault.DOWN)
    broken, good = (store_paths.build(machine.nix, 1) for _ in range(2))
    machine.stop_workers()
    (machine.nix.store_folder / "store" / Path(broken.root).name).unlink()
    proxy.heal()

    drained = machine.run("hook", "--drain")

    assert drained.exit_code == 1, drained.output
    assert machine.waiting() == names(broken.paths)
    assert {narinfo_key(good.root)} <= machine.cache.keys()
    assert broken.root in machine.status()["lastError"]


def test_another_hook_is_not_replaced(nix: Nix, cache: Cache) -> None:
    """There can be only one, and a user wants theirs."""
    machine = WritingMachine(nix, cache)
    nix.configure("post-build-hook = /bin/true")

    done = machine.run("hook", "--install")

    assert done.exit_code == 1
    assert "nix.conf has another post-build-hook already: /bin/true" in done.err
    assert not list(machine.settings.glob("*post-build-hook*"))


def test_a_cache_that_is_no_longer_in_use_queues_nothing(machine: HookedMachine) -> None:
    """The hook that was left behind does nothing."""
    (machine.settings / f"{machine.cache.bucket}.json").unlink()

    store_paths.build(machine.nix, 1)

    assert machine.waiting() == set()
