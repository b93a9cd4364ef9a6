"""No secret in plain sight: the actual values are searched for wherever they could have gone.

Only this module follows one cache on MinIO from its first `up` to its end, with everything that is
printed, logged, stored and seen by `ps`. The state on other backends is in `test_each_backend.py`.

Out of scope is the local MinIO's own data folder: the server keeps its users there in its own way.
"""

import json
from dataclasses import dataclass, field

import pytest

from nix_cache.formats import signing
from tests.engine.clone import Clone, admin_client, assert_plain_error, cloned
from tests.engine.secret_search import CommandLines, files_below, forms_of, found_in, leaks
from tools import engine as toolchain_engine
from tools.place import STACK

pytestmark = pytest.mark.slow

BROUGHT_IN = signing.generate("brought.example.org-1")


@dataclass
class Life:
    """What one cache left behind, from its first `up` to its end.

    Attributes:
        secrets: every secret that it ever had, by what it is.
        printed: what each command printed.
        backends: the files of the state's folder, at several moments.
        command_lines: what `ps` showed while it ran.
        private: the files of the clone that hold secrets on purpose, with their modes.
        clear: an export that shows secrets.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    printed: dict[str, bytes] = field(default_factory=dict)
    backends: dict[str, bytes] = field(default_factory=dict)
    command_lines: bytes = b""
    private: dict[str, int] = field(default_factory=dict)
    clear: bytes = b""

    def learn(self, clone: Clone, moment: str) -> None:
        """Note the secrets that the cache has at some moment."""
        outputs = clone.outputs()
        for user, pair in outputs["credentials"].items():
            self.secrets[f"{moment}: secret of {user}"] = pair["secretAccessKey"]
        for writer, key in outputs["signingKeys"].items():
            self.secrets[f"{moment}: signing key of {writer}"] = key.partition(":")[2]

    def run(self, clone: Clone, *arguments: str, succeeds: bool = True) -> None:
        """Run the engine and note what it printed."""
        result = clone.pulumi(*arguments, "--stack", STACK)
        assert (result.exit_code == 0) is succeeds, result.output
        self.printed[f"{len(self.printed)}: {' '.join(arguments)}"] = result.output.encode()

    def keep(self, clone: Clone, moment: str) -> None:
        """Note the files of the state, with backups and history, and of the configuration."""
        for path, content in files_below(clone.place.state).items():
            self.backends[f"{moment}: {path}"] = content
        self.backends[f"{moment}: configuration"] = clone.place.stack_config.read_bytes()


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine) -> Life:
    """Up, rotation, a writer with their own key, a failing up, destroy."""
    lived, command_lines = Life(), CommandLines()
    with cloned(tmp_path_factory.mktemp("secrets") / "clone", engine) as clone:
        with command_lines.watched():
            lived.printed["make up"] = clone.dev("up").encode()
            lived.secrets["root password"] = clone.connection.password
            lived.secrets["passphrase"] = clone.place.passphrase_file.read_text()
            lived.learn(clone, "first")

            clone.configure(writers=[{"name": "nixbuilder", "generation": 2}, "second-writer"])
            for options in ([], ["--diff"], ["--json"]):
                lived.run(clone, "preview", *options)
            lived.run(clone, "up", "--yes", "--diff")
            lived.learn(clone, "rotated")
            lived.keep(clone, "rotated")

            key = "nix-cache:writers[1].signingKey"
            clone.configure(writers=["nixbuilder", {"name": "second-writer"}])
            lived.run(clone, "config", "set", "--secret", "--path", key, BROUGHT_IN.secret_text)
            lived.run(clone, "up", "--yes", "--skip-preview", "--json")
            lived.learn(clone, "brought in")

        admin_client(clone.connection).user_add("third-writer", "a-secret-of-a-user")
        clone.configure(readers=["third-writer"])
        lived.run(clone, "up", "--yes", "--skip-preview", succeeds=False)
        lived.printed["make up that fails"] = (failed := clone.run("up")).output.encode()
        assert failed.exit_code == 1
        assert_plain_error(failed.output)
        lived.keep(clone, "failed")
        clone.configure(readers=None)

        for command in ("status", "env", "preview", "repair"):
            lived.printed[f"make {command}"] = clone.dev(command).encode()
        lived.run(clone, "stack", "export")
        lived.run(clone, "stack", "output", "--json")
        lived.run(clone, "stack", "history", "--json")
        lived.run(clone, "config", "--json")
        shown = clone.pulumi("stack", "export", "--show-secrets", "--stack", STACK)
        lived.clear = shown.output.encode()
        lived.printed["the server's log"] = (clone.place.server / "server.log").read_bytes()

        static = (clone.place.work / "bin", clone.place.work / "pulumi-home" / "plugins")
        data = clone.place.server / "data"
        for path, content in files_below(clone.place.work, besides=(*static, data)).items():
            if found_in(content, lived.secrets):
                lived.private[path] = (clone.place.work / path).stat().st_mode & 0o777
        lived.private["."] = clone.place.work.stat().st_mode & 0o777

        lived.run(clone, "destroy", "--yes")
        lived.keep(clone, "destroyed")
    lived.command_lines = command_lines.content
    return lived


def test_there_are_secrets_to_search_for(life: Life) -> None:
    """All are known, and no two generations or users share one."""
    expected = {
        *("root password", "passphrase"),
        *("first: secret of nixbuilder", "first: signing key of nixbuilder"),
        *("rotated: signing key of nixbuilder", "rotated: secret of second-writer"),
        "brought in: signing key of second-writer",
    }
    assert expected <= life.secrets.keys()
    assert len({life.secrets[name] for name in expected}) == len(expected)
    assert all(len(secret) >= 16 for secret in life.secrets.values())
    brought_in = life.secrets["brought in: signing key of second-writer"]
    assert brought_in == BROUGHT_IN.secret_text.partition(":")[2]


@pytest.mark.parametrize("form", range(20))
def test_the_search_finds_a_planted_value(life: Life, form: int) -> None:
    """In each form; otherwise that nothing is found would mean nothing."""
    for name, secret in life.secrets.items():
        forms = sorted(forms_of(secret))
        planted = b'{"some": "' + forms[form % len(forms)] + b'", "more": 1}'
        assert name in found_in(planted, life.secrets)


def test_the_search_finds_the_secrets_in_an_export_that_shows_them(life: Life) -> None:
    """The engine's own words, so its own way of escaping them."""
    found = found_in(life.clear, life.secrets)
    assert "root password" in found
    assert "brought in: signing key of second-writer" in found
    assert "brought in: secret of nixbuilder" in found


def test_no_secret_is_in_the_state_its_backups_its_history_or_the_configuration(
    life: Life,
) -> None:
    """After a rotation, after a failed `up`, and after everything was destroyed."""
    paths = " ".join(life.backends)
    for part in ("stacks/", "backups/", "history/"):
        assert part in paths
    assert leaks(life.backends, life.secrets) == {}


def test_no_secret_is_printed_or_logged(life: Life) -> None:
    """By previews, updates, exports, `make`, or the server."""
    assert len(life.printed) > 12
    assert leaks(life.printed, life.secrets) == {}


def test_previews_show_secrets_as_such(life: Life) -> None:
    """They are not merely left out."""
    shown = b"".join(content for name, content in life.printed.items() if "--diff" in name)
    assert b"[secret]" in shown


def test_no_secret_is_on_a_command_line(life: Life) -> None:
    """Of all that ran meanwhile. One was put there on purpose, and is seen."""
    assert b"pulumi-resource-minio" in life.command_lines
    assert b"minio server" in life.command_lines
    given = "brought in: signing key of second-writer"
    assert found_in(life.command_lines, life.secrets) == [given]


def test_files_with_secrets_are_their_owners_alone(life: Life) -> None:
    """The three that there have to be, in a folder that no other user can enter."""
    assert life.private == {
        ".": 0o700,
        "minio/connection.json": 0o600,
        "minio/root-password": 0o600,
        "passphrase": 0o600,
    }


def test_the_manifest_of_the_cache_has_no_secret(life: Life) -> None:
    """The outputs that are public are all there in clear text."""
    [printed] = [text for name, text in life.printed.items() if "stack output" in name]
    outputs = json.loads(printed)
    assert outputs["manifest"]["publicKeys"] == outputs["publicKeys"]
    assert outputs["signingKeys"] == outputs["credentials"] == "[secret]"
