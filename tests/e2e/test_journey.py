"""From `make up` to a path that another machine pulls, by commands of README and docs."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.engine.clone import cloned
from tests.pages import README, commands
from tools.engine import Engine

YOURS = """\
let
  build = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
  };
  words = build "words" "echo 'made by the first machine' > $out";
in
build "your-program" "echo 'says what is in ${words}' > $out"
"""


def shell(line: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Type a line; it has to succeed. Gives back what it printed as its result."""
    done = subprocess.run(
        ["sh", "-euc", line],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def with_pulumi(machine: Nix, variables: Mapping[str, str]) -> dict[str, str]:
    """Return a machine's environment, and in it what `make env` adds."""
    path = f"{machine.environment['PATH']}:{variables['PATH']}"
    return {**variables, **machine.environment, "PATH": path}


def test_the_readme_leads_from_nothing_to_a_pull_elsewhere(
    engine: Engine, new_nix: NewNix, tmp_path: Path
) -> None:
    """Up, use, build, push, doctor; then, on a machine that has only the URL, use and pull."""
    first, second = new_nix(), new_nix()
    first.configure()
    second.configure()
    with cloned(tmp_path / "clone", engine) as clone:
        clone.configure(storeDir=first.store_dir)
        clone.dev("up")
        (clone.folder / "your.nix").write_text(YOURS)
        environment = with_pulumi(first, clone.variables())
        *steps, look = commands("docs/getting-started.md", "Push a store path")
        for line in steps:
            shell(line, clone.folder, environment)
        built = (clone.folder / "result").readlink()
        findings = shell(f"{look.partition('#')[0]} || true", clone.folder, environment)
        errors = [line for line in findings.splitlines() if line.strip().startswith("ERROR")]
        assert errors == [], findings

        *on_the_builder, use, realise, check = commands(README, "Push and use")
        for line in on_the_builder:
            shell(line.replace("prod", "dev"), clone.folder, environment)
        here = {
            "https://cache.example.org/nix-cache": f"{clone.outputs()['readUrl']} --yes",
            "/nix/store/HASH-your-program": f"{built} --option max-jobs 0",
        }
        for line in (use, realise, f"{check} || true"):
            for meant, real in here.items():
                line = line.replace(meant, real)
            shell(line, second.home, second.environment)

        requisites = first.get("--query", "--requisites", str(built), program="nix-store").split()
        assert len(requisites) == 2
        assert second.nar_hashes(requisites) == first.nar_hashes(requisites)
