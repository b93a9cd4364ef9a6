"""Manifests that no stack writes: each is refused by each command, with one clear error."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli import app
from nix_cache.cli.caches.source import Origin, parse
from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import DOCUMENT_BYTES
from tests.unit.cli.client_caches import KEY, WRITER, outputs

COMMANDS: dict[str, list[str]] = {
    "use": ["use", "--system", "bad.json"],
    "doctor": ["doctor", "bad.json"],
    "gc": ["gc", "bad.json", "--owner", "owner", "--older-than", "30"],
}

Document = dict[str, Any]


def changed(**fields: Any) -> Document:
    """Return a manifest with some values that are not a cache's."""
    return {**outputs()["manifest"], **fields}


BAD: dict[str, str] = {
    "IPv6 that is none": json.dumps(changed(readUrl="https://[x")),
    "IPv6 endpoint that is none": json.dumps(changed(endpoint="http://[x")),
    "endpoint with a path": json.dumps(changed(endpoint="https://h/x")),
    "endpoint with a password": json.dumps(changed(endpoint="https://u:hunter2@h")),
    "read URL with a password": json.dumps(changed(readUrl="https://u:hunter2@h/demo")),
    "root as store": json.dumps(changed(storeDir="/")),
    "store with dots": json.dumps(changed(storeDir="/nix/../etc")),
    "store with a blank": json.dumps(changed(storeDir="/nix/my store")),
    "store with a slash at the end": json.dumps(changed(storeDir="/nix/store/")),
    "store with a line end": json.dumps(changed(storeDir="/nix/store\n")),
    "relative store": json.dumps(changed(storeDir="nix/store")),
    "half a surrogate pair in a value": json.dumps(changed(backend="\ud800")),
    "half a surrogate pair in a key": json.dumps(changed(pushUrls={"\ud800": "x"})),
    "half a surrogate pair in a push URL": json.dumps(changed(pushUrls={WRITER: "s3://\udfff"})),
    "escape sequence": json.dumps(changed(backend="\x1b[31m")),
    "C1 control": json.dumps(changed(region="\x9b31m")),
    "bidirectional control": json.dumps(changed(bucket="demo\u202e")),
    "tab in the bucket": json.dumps(changed(bucket="de\tmo")),
    "log bucket with a path": json.dumps(changed(accessLogs={"bucket": "a/b?c", "prefix": ""})),
    "access logs without a bucket": json.dumps(changed(accessLogs={"prefix": ""})),
    "number as a signing key": json.dumps({**outputs(), "signingKeys": {WRITER: 5}}),
    "list as signing keys": json.dumps({**outputs(), "signingKeys": [KEY.secret_text]}),
    "list as credentials": json.dumps({**outputs(), "credentials": ["hunter2"]}),
    "number as credentials": json.dumps({**outputs(), "credentials": 1}),
    "text as credentials": json.dumps({**outputs(), "credentials": "hunter2"}),
    "list as a credential": json.dumps({**outputs(), "credentials": {WRITER: ["hunter2"]}}),
    "list as push URLs": json.dumps(changed(pushUrls=["x"])),
    "number as a key": json.dumps(changed(publicKeys=[5])),
    "text as keys": json.dumps(changed(publicKeys="x")),
    "keys missing": json.dumps({"version": 1}),
    "text as version": json.dumps(changed(version="1")),
    "priority without end": json.dumps(changed()).replace('"priority": 40', '"priority": 1e999'),
    "huge priority": json.dumps(changed(priority=10**400)),
    "negative expiry": json.dumps(changed(expireAfterDays=-1)),
    "expiry beyond all dates": json.dumps(changed(expireAfterDays=10**12)),
    "parts too small for S3": json.dumps(changed(partSizeMib=4)),
    "parts too large for S3": json.dumps(changed(partSizeMib=5121)),
    "negative parts": json.dumps(changed(partSizeMib=-1)),
    "number too long for Python": '{"version": ' + "9" * 5000 + "}",
    "NaN": json.dumps(changed()).replace('"priority": 40', '"priority": NaN'),
    "a key twice": json.dumps(changed())[:-1] + ', "endpoint": "https://evil.example"}',
    "deep nesting": '{"manifest": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "deep nesting in the manifest": json.dumps(changed()).replace(
        '"backend": "minio"', '"backend": ' + "[" * 500 + "]" * 500
    ),
    "10 MB": json.dumps(changed(backend="x" * 10_000_000)),
    "10 MB of nothing": " " * 10_000_000,
    "a list": "[]",
    "a number": "1",
    "nothing": "",
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a machine that uses no cache, with an owner's profile."""
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        "[owner]\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("NIX_CONF_DIR", str(tmp_path / "etc"))
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_manifest_is_one_clear_error(
    machine: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    """No traceback, nothing written, no password shown."""
    (machine / "bad.json").write_text(BAD[name])

    code = app.run(COMMANDS[command])

    said = capsys.readouterr().err
    assert code == 2, said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert len(said) < 600
    assert "hunter2" not in said
    assert not (machine / "etc").exists()


def test_a_store_that_holds_the_configuration_is_refused(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`use` would take nix.conf for a generated one."""
    (machine / "bad.json").write_text(json.dumps(changed(storeDir=str(machine))))

    assert app.run(COMMANDS["use"]) == 1
    assert "so it is not a Nix store" in capsys.readouterr().err


def test_a_newer_version_says_so() -> None:
    """Also one with more digits than fit a line."""
    for version in (2, 10**1000):
        with pytest.raises(ClientError, match="this nix-cache reads version 1") as refused:
            parse(json.dumps(changed(version=version)), "test")
        assert len(str(refused.value)) < 300


@pytest.mark.parametrize("origin", Origin)
def test_only_a_url_loses_what_writers_need(origin: Origin) -> None:
    """A manifest of 0.1.0 at a URL has it all the same."""
    found = parse(json.dumps(outputs()["manifest"]), "test", origin)

    has_users = bool(found.manifest.push_urls) and bool(found.manifest.profiles)
    assert has_users is (origin is not Origin.URL)
    assert found.manifest.public_keys == (KEY.public_text,)


@pytest.mark.parametrize("name", ["signingKeys", "credentials"])
def test_a_url_that_publishes_secrets_is_refused(name: str) -> None:
    """None of them is taken, and their owner should know."""
    reported = {"manifest": outputs()["manifest"], name: outputs()[name]}

    with pytest.raises(ClientError, match="publishes signing keys or credentials") as refused:
        parse(json.dumps(reported), "https://h/nix-cache.json", Origin.URL)
    assert KEY.secret_text not in str(refused.value)
    assert "secret-of" not in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(outputs()["manifest"])), json_values, st.sampled_from(Origin))
def test_any_value_of_any_field_is_read_or_refused(field: str, value: Any, origin: Origin) -> None:
    """No other error, from any source."""
    _read_or_refused(lambda: parse(json.dumps(changed(**{field: value})), "test", origin))


@given(json_values, json_values, st.sampled_from(Origin))
def test_any_outputs_are_read_or_refused(keys: Any, credentials: Any, origin: Origin) -> None:
    """No other error, from any source."""
    reported = {**outputs(), "signingKeys": keys, "credentials": credentials}
    _read_or_refused(lambda: parse(json.dumps(reported), "test", origin))


@given(st.text() | st.binary().map(lambda raw: raw.decode(errors="replace")))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No other error."""
    _read_or_refused(lambda: parse(text, "test"))


def test_the_largest_document_is_larger_than_any_stacks_outputs() -> None:
    """A hundred writers and their keys."""
    writers = {f"writer-{n}": "s3://demo?" + "x" * 300 for n in range(100)}
    text = json.dumps({**outputs(pushUrls=writers), "other": "x" * 500_000})

    assert len(text) < DOCUMENT_BYTES
    assert len(parse(text, "test").manifest.push_urls) == 100


def _read_or_refused(read: Callable[[], object]) -> None:
    with contextlib.suppress(ClientError):
        read()
