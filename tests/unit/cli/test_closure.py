"""Closures: what the installed Nix prints, in the order in which it is uploaded."""

import json
import os
from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.nix.closure import closure_of, roots

STORE = "/nix/store"
PATHS = {name: f"{STORE}/{name * 32}-{name}" for name in "abcd"}

OLD = "error: unrecognised flag '--json-format'"


class Machine:
    """A machine whose Nix prints what a test wants, by one file for each program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PATH": f"{folder}:{os.defpath}"}

    def program(self, name: str, script: str) -> None:
        """Make one of Nix's programs do something."""
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def knows(self, references: dict[str, str], *, is_old: bool = False) -> None:
        """Let the store have paths, each with the names of those that it refers to."""
        infos = {
            PATHS[name]: {
                "narHash": "sha256-FePFYIlMuycIXPZbWi7LGEiMmZSX9FMbaQenWBzm1Sc=",
                "narSize": 1,
                "references": [PATHS[other] for other in others],
            }
            for name, others in references.items()
        }
        document = [{"path": path, **info} for path, info in infos.items()] if is_old else infos
        (self.folder / "printed").write_text(json.dumps(document))
        refuse = f'case "$*" in *--json-format*) echo "{OLD}" >&2; exit 1;; esac\n'
        self.program("nix", f'{refuse if is_old else ""}cat >/dev/null\ncat "${{0%/*}}/printed"')


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("is_old", [False, True], ids=["today", "without --json-format"])
def test_each_path_follows_its_references(machine: Machine, *, is_old: bool) -> None:
    """A path that refers to itself does not hold that up."""
    machine.knows({"a": "abd", "b": "c", "c": "", "d": "bcd"}, is_old=is_old)
    closure = closure_of([PATHS["a"]], machine.environment)
    assert [info.base_name[0] for info in closure] == ["c", "b", "d", "a"]


def test_no_paths_have_an_empty_closure_and_nix_is_not_asked(machine: Machine) -> None:
    assert closure_of([], machine.environment) == []


def test_a_circle_is_named(machine: Machine) -> None:
    machine.knows({"a": "b", "b": "a"})
    with pytest.raises(ClientError, match="refer to each other in a circle"):
        closure_of([PATHS["a"]], machine.environment)


def test_a_closure_that_is_not_whole_is_refused(machine: Machine) -> None:
    """A narinfo whose references are missing would break the path for readers."""
    machine.knows({"a": "b"})
    with pytest.raises(ClientError, match=f"printed nothing about {PATHS['b']}"):
        closure_of([PATHS["a"]], machine.environment)


def test_paths_that_are_not_in_the_store_are_named(machine: Machine) -> None:
    machine.program("nix", 'echo "error: path is not valid" >&2\nexit 1')
    machine.program("nix-store", f"echo {PATHS['b']}")
    with pytest.raises(ClientError, match=f"not in this machine's store: {PATHS['b']}"):
        closure_of([PATHS["a"], PATHS["b"]], machine.environment)


def test_another_failure_of_nix_is_reported_in_its_words(machine: Machine) -> None:
    machine.program("nix", 'echo "error: cannot connect to the daemon" >&2\nexit 1')
    machine.program("nix-store", "exit 0")
    with pytest.raises(ClientError, match="nix failed: cannot connect to the daemon"):
        closure_of([PATHS["a"]], machine.environment)


def test_output_that_cannot_be_read_is_reported(machine: Machine) -> None:
    machine.program("nix", "echo '{\"x\": 1}'")
    with pytest.raises(ClientError, match="cannot be read: path: 'x' is not a store path"):
        closure_of([PATHS["a"]], machine.environment)


def test_links_and_paths_within_store_paths_are_resolved_once(tmp_path: Path) -> None:
    link = tmp_path / "result"
    link.symlink_to(PATHS["a"])
    given = [str(link), f"{PATHS['b']}/bin/b", PATHS["a"]]
    assert roots(given, STORE) == [PATHS["a"], PATHS["b"]]


def test_a_derivation_is_refused_and_its_outputs_are_asked_for() -> None:
    derivation = f"{PATHS['a']}.drv"
    with pytest.raises(UsageError) as refusal:
        roots([PATHS["b"], derivation], STORE)
    assert f"{derivation} is a derivation, not what it builds" in str(refusal.value)
    assert f"--print-out-paths '{derivation}^*'" in refusal.value.fix
