"""The client with real secrets: none is in its output, its arguments or a file that others read."""

import os
import subprocess
import sys
from pathlib import Path
from secrets import token_urlsafe

import pytest

from tests.engine.secret_search import CommandLines, files_below, leaks
from tests.unit.cli import client_caches
from tests.unit.cli.client_caches import READER, WRITER, outputs


@pytest.mark.parametrize("umask", [0, 0o077])
def test_no_secret_is_where_others_read_it(tmp_path: Path, umask: int) -> None:
    # New ones each time: another process may have typed those of another run.
    password, token, in_files = (f"S3cret/{token_urlsafe(20)}+x=" for _ in range(3))
    reported = outputs(public=False)
    for user, pair in reported["credentials"].items():
        pair["secretAccessKey"] = f"{user}/{token_urlsafe(20)}"
    secrets = {
        **{user: pair["secretAccessKey"] for user, pair in reported["credentials"].items()},
        "signing key": reported["signingKeys"][WRITER].partition(":")[2],
        "password": password,
        "token": token,
        "in the files": in_files,
        "in the environment": f"environment/{token_urlsafe(20)}",
    }
    home, etc = tmp_path / "home", tmp_path / "etc"
    (home / ".aws").mkdir(parents=True)
    etc.mkdir()
    (etc / "nix.conf").write_text(
        f"impure-env = A={in_files}\nsubstituters = https://u:{password}@h https://h?auth={token}\n"
    )
    (home / ".aws" / "credentials").write_text(f"[x]\naws_secret_access_key: {in_files}\n")
    stack = client_caches.write(tmp_path / "outputs.json", reported)
    printed = tmp_path / "printed"
    printed.mkdir()

    def run(*arguments: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "NIX_CONF_DIR": str(etc),
            "AWS_SECRET_ACCESS_KEY": secrets["in the environment"],
            "https_proxy": f"http://u:{password}@127.0.0.1:9",
        }
        done = subprocess.run(
            [sys.executable, "-m", "nix_cache.cli", *arguments],
            env=environment,
            cwd=tmp_path,
            umask=umask,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        name = "-".join(argument.replace("/", "_") for argument in arguments)[:100]
        (printed / name).write_bytes(done.stdout + done.stderr)
        assert done.stdout + done.stderr
        assert b"Traceback" not in done.stderr

    seen = CommandLines()
    with seen.watched():
        for json in (), ("--json",):
            run("use", "--system", stack, "--as", WRITER, "--reader", READER, "--dry-run", *json)
        run("use", "--system", stack, "--as", WRITER, "--reader", READER)
        for json in (), ("--json",):
            run("use", "--system", "demo", "--remove", "--dry-run", *json)
            run("push", "--to", "demo", f"/nix/store/{'0' * 32}-x", *json)
            run("doctor", "demo", *json)
            run("gc", "demo", "--owner", WRITER, "--older-than", "1", "--dry-run", *json)
        run("hook", "--to", "demo", "--status")
    assert not leaks({"command lines": seen.content}, secrets)
    run("use", "--system", f"https://u:{password}@127.0.0.1:9/demo", "--yes")
    run("doctor", f"https://127.0.0.1:9/demo?token={token}")

    assert not leaks(files_below(printed), secrets)
    modes = {
        path.relative_to(tmp_path): oct(path.stat().st_mode & 0o777)
        for folder in (home, etc)
        for path in folder.rglob("*")
        if path.is_file() and leaks({"x": path.read_bytes()}, secrets)
    }
    assert modes == {
        Path("home/.aws/credentials"): "0o600",
        Path(f"etc/nix-cache/{reported['manifest']['keyNames'][WRITER]}.sec"): "0o600",
        Path("etc/nix.conf"): "0o644",  # it was there before, with what its owner put in
    }
    public = (etc / "nix.conf").read_bytes()
    assert set(leaks({"x": public}, secrets)["x"]) == {"password", "token", "in the files"}
