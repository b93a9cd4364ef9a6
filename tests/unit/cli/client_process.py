"""The command `nix-cache` as its own process, with a home and programs that tests choose."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nix_cache.cli.caches.record import Record, save
from nix_cache.cli.machine.places import user_place
from nix_cache.render import nix_conf
from tests.unit.cli.client_caches import KEY, WRITER, manifest, outputs, write

OWNER = "owner"
BUILT = f"/nix/store/{'1' * 32}-built"
NIX = """#!/bin/sh
case "$*" in
  *--version*) echo "nix (Nix) 2.34.8" ;;
  *path-info*) echo '{infos}' ;;
esac
"""
NIX_STORE = """#!/bin/sh
case "$*" in
  *--serve*) {prelude}
    {python} -c '
import struct, sys
def number():
    return struct.unpack("<Q", sys.stdin.buffer.read(8))[0]
for _ in range(6):
    count = number()
paths = []
for _ in range(count):
    length = number()
    paths.append(sys.stdin.buffer.read(length + -length % 8)[:length])
answer = struct.pack("<3Q", 0x5452EECB, 0x205, len(paths))
for path in paths:
    answer += struct.pack("<Q", len(path)) + path + bytes(-len(path) % 8)
sys.stdout.buffer.write(answer)
sys.stdout.flush()
sys.stdin.buffer.read()
' ;;
esac
"""
"""Takes temporary roots for paths, as Nix does, and holds them until its input ends."""


@dataclass
class Machine:
    """A home, and what is on PATH.

    Attributes:
        home: the home.
        programs: what is on PATH besides the shell's own.
        variables: further ones of the environment.
    """

    home: Path
    programs: Path
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path) -> "Machine":
        """Return a machine with nothing on it but a Nix whose store has one path."""
        machine = cls(folder / "home", folder / "bin")
        for part in (machine.home, machine.programs, machine.temporary):
            part.mkdir(parents=True)
        machine.program("nix", nix([BUILT]))
        machine.program("nix-store", NIX_STORE.format(prelude="", python=sys.executable))
        return machine

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return self.home / "tmp"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its user."""
        return {
            "HOME": str(self.home),
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "NIX_CONF_DIR": str(self.home / "etc"),
            "TMPDIR": str(self.temporary),
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.variables,
        }

    def program(self, name: str, text: str) -> None:
        """Put a program on PATH."""
        file = self.programs / name
        file.write_text(text)
        file.chmod(0o755)

    def uses(self, endpoint: str) -> None:
        """Let its user push to the cache demo at an endpoint."""
        key_file = self.home / "key.sec"
        key_file.write_text(f"{KEY.secret_text}\n")
        used = manifest(
            endpoint=endpoint,
            pushUrls={WRITER: f"s3://demo?profile=nixbuilder&endpoint={endpoint}"},
        )
        record = Record(name="demo", manifest=used, writer=WRITER, signing_key_file=key_file)
        save(user_place(self.environment), record)
        self.knows_credentials()

    def knows_credentials(self) -> None:
        """Give its user the credentials of the writer and of the owner."""
        (self.home / ".aws").mkdir(exist_ok=True)
        (self.home / ".aws" / "credentials").write_text(
            "".join(
                f"[{name}]\naws_access_key_id = {name}\naws_secret_access_key = secret\n"
                for name in (WRITER, OWNER)
            )
        )

    def source(self, endpoint: str) -> str:
        """Return a file that describes the cache demo at an endpoint."""
        reported = outputs(
            endpoint=endpoint, readUrl=f"{endpoint}/demo", pushUrls=_push_urls(endpoint)
        )
        return write(self.home / "source.json", reported)

    @property
    def queue(self) -> Path:
        """The folder of the hook's queue."""
        folder = user_place(self.environment).state / "hook" / "demo"
        (folder / "queue").mkdir(parents=True, exist_ok=True)
        return folder

    def start(self, *arguments: str, prelude: str = "") -> "subprocess.Popen[str]":
        """Start the command.

        Args:
            arguments: of the command line.
            prelude: Python that runs in its process before it.
        """
        code = f"import sys\n{prelude}\nfrom nix_cache.cli.__main__ import main\nsys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, prelude: str = "", seconds: float = 60
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command to its end."""
        with self.start(*arguments, prelude=prelude) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            finally:
                process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def nix(paths: Sequence[str]) -> str:
    """Return a Nix whose store has some paths."""
    info = {"narHash": f"sha256:{'0' * 52}", "narSize": 120, "references": [], "signatures": []}
    return NIX.format(infos=json.dumps(dict.fromkeys(paths, info)))


def _push_urls(endpoint: str) -> dict[str, str]:
    return {WRITER: nix_conf.s3_push_url("demo", endpoint, "us-east-1", WRITER)}


def interrupted(
    process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT
) -> tuple[int, str, float]:
    """Send a signal to a process.

    Returns:
        its exit code, what it printed on standard error, and after how many seconds it ended.
    """
    os.kill(process.pid, number)
    started = time.monotonic()
    try:
        process.wait(20)
        seconds = time.monotonic() - started
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    return process.returncode, err, seconds
