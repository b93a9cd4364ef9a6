"""Backblaze B2: taking a bucket over, a name that cannot be had, and where secrets are not.

Only this module follows the page's way to adopt a bucket on B2, goes on after a bucket could
not be created, and searches what the engine prints of B2's dynamic resources for secrets. Which
accounts are refused, and in which words, is shown in `tests/unit/backends/test_b2_resources.py`.
"""

import pytest

from tests.engine.b2_project import BUCKET
from tests.engine.b2_project import b2 as b2
from tests.engine.b2_project import cache as cache
from tests.engine.project import STACK, Project
from tests.engine.secret_search import files_below, found_in, leaks
from tests.fakes.b2_server import B2Server
from tests.pages import commands

pytestmark = pytest.mark.slow


def refusal(cache: Project, *command: str) -> str:
    """Return what a command that has to fail said."""
    failed = cache.run(*command, "--stack", STACK)
    assert failed.exit_code != 0, failed.output
    assert "Traceback" not in failed.output
    return failed.output


def test_a_bucket_that_is_there_is_adopted_only_on_purpose(b2: B2Server, cache: Project) -> None:
    """With all that is in it; keys that were made by hand go on working, and stay on destroy."""
    bucket_id = b2.service.make_bucket_past_the_stack(BUCKET).bucket_id
    b2.service.put(BUCKET, "nar/kept.nar", b"nar")
    by_hand = b2.service.make_key("byhand-1", BUCKET, ["readFiles"])["applicationKeyId"]

    assert "exists already in the Backblaze account: choose another" in refusal(cache, "preview")
    *adopt, settle = commands("docs/backends/b2.md", "Adopt a bucket")
    cache.pulumi("stack", "select", STACK)
    for line in adopt:
        cache.typed(line)
    assert b2.service.bucket(BUCKET).bucket_id == bucket_id
    assert b2.service.bucket(BUCKET).bucket_type == "allPublic"
    assert {"nar/kept.nar", "nix-cache-info"} < set(b2.service.texts(BUCKET))
    assert set(b2.service.keys()) == {"byhand", "nixbuilder"}

    cache.typed(settle)
    cache.up("--refresh", "--expect-no-changes")
    cache.destroy()
    assert b2.service.bucket_name_to_bucket == {}
    assert by_hand in b2.service.key_id_to_key


def test_a_bucket_that_cannot_be_created_is_one_error_and_created_later(
    b2: B2Server, cache: Project
) -> None:
    """No list shows that another account has the name, so `up` fails; the next one goes on."""
    b2.service.names_of_others.add(BUCKET)

    assert f"the bucket '{BUCKET}' exists in another account" in refusal(
        cache, "up", "--yes", "--skip-preview"
    )
    assert b2.service.keys() == {}
    cache.set(bucket="our-team-cache")
    cache.up()
    assert set(b2.service.bucket_name_to_bucket) == {"our-team-cache"}


def test_no_secret_is_in_plain_sight(b2: B2Server, cache: Project) -> None:
    """Neither the account's key, set as the page describes, nor those of writers, old and new."""
    account_key = cache.environment.pop("B2_APPLICATION_KEY")
    printed = {
        "config": cache.typed(
            f"pulumi config set --stack {STACK} --secret b2:applicationKey", account_key
        ).encode()
    }
    secrets = {"the account's key": account_key, "passphrase": passphrase(cache)}

    def learn(moment: str) -> None:
        outputs = cache.outputs(secrets=True)
        secrets[f"{moment} key"] = outputs["credentials"]["nixbuilder"]["secretAccessKey"]
        secrets[f"{moment} signing key"] = outputs["signingKeys"]["nixbuilder"].partition(":")[2]

    printed["preview"] = cache.preview("--diff", "--json").encode()
    printed["up"] = cache.pulumi("up", "--yes", "--json", "--stack", STACK).encode()
    learn("first")
    urn = cache.resources()["nix-cache-nixbuilder"]["urn"]
    printed["replace"] = cache.up("--replace", urn, "--diff").encode()
    learn("second")
    printed["refresh"] = cache.pulumi("refresh", "--yes", "--diff", "--stack", STACK).encode()
    printed["export"] = cache.pulumi("stack", "export", "--stack", STACK).encode()
    printed["stack file"] = cache.stack_file.read_bytes()
    b2.service.key_id_to_key[b2.service.key_id].key = "K004another-one-now"
    printed["refused"] = refusal(cache, "up", "--yes").encode()

    assert len(set(secrets.values())) == 5
    state = files_below(cache.folder / "state")
    assert leaks({**printed, **state}, secrets) == {}
    clear = cache.pulumi("stack", "export", "--show-secrets", "--stack", STACK).encode()
    assert "second key" in found_in(clear, secrets)


def passphrase(cache: Project) -> str:
    """Return what the stack's secrets are encrypted with."""
    return (cache.folder / "passphrase").read_text()
