"""What may be shown of the lines of files in which others keep secrets."""

import base64
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from nix_cache.cli.hook import texts
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.machine.masking import credentials_line, nix_conf_line, signing_key_line
from nix_cache.cli.nix import conf_file
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.use import credentials_file, diff

SECRET = "TOPSECRETabc"
KEY = SigningKey(bytes(range(32)))
SECRET_KEY = "k-1:" + base64.b64encode(bytes(KEY) + bytes(KEY.verify_key)).decode()
PUBLIC_KEY = "k-1:" + base64.b64encode(bytes(KEY.verify_key)).decode()


@pytest.mark.parametrize(
    "line",
    [
        f"aws_secret_access_key: {SECRET}=",
        f"aws_secret_access_key = {SECRET}",
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"  aws_secret_access_key\t:\t{SECRET}=x",
        f"aws_session_token = {SECRET}",
        f"aws_security_token: {SECRET}",
        f"{SECRET} = x",
        f"{SECRET}=",
        f"{SECRET}",
        f"    {SECRET}",
        f"    max_concurrent_requests = {SECRET}",
        f"# old: {SECRET}",
        f"; {SECRET}",
        f"[default] ; {SECRET}",
        f"[default] {SECRET}",
        f"aws_access_key_id = AKIA ; {SECRET}",
        f"aws_access_key_id = AKIA {SECRET}",
        f"aws_access_key_id_and_more = {SECRET}",
        f"aws_access_key_id {SECRET}",
        f"sso_token = {SECRET}",
        f"credential_process = /bin/get --token {SECRET}",
        f"# The binary cache x, written by `nix-cache use`: {SECRET}",
        f"role_arn = {SECRET}",
    ],
)
def test_no_secret_of_a_credentials_file_is_shown(line: str) -> None:
    assert SECRET not in credentials_line(line)
    assert SECRET not in credentials_line(line + "\r")


def test_what_is_not_secret_in_a_credentials_file_is_shown() -> None:
    pair = Credential(access_key_id="nixreader", secret_access_key=SECRET)
    text = credentials_file.with_profile(None, "demo", "demo-reader", pair).decode()
    assert "\n".join(map(credentials_line, text.splitlines())) == text.strip().replace(
        SECRET, "****"
    )
    assert credentials_line("[profile x]") == "[profile x]"
    assert credentials_line("aws_secret_access_key: x") == "aws_secret_access_key: ****"


@pytest.mark.parametrize(
    "line",
    [
        f"impure-env = TOKEN={SECRET}",
        f"access-tokens = github.com={SECRET}",
        f"extra-access-tokens=x={SECRET}",
        f"some-plugin-setting = {SECRET}",
        f"max-jobs = 4 # {SECRET}",
        f"# access-tokens = x={SECRET}",
        f"  #{SECRET}",
        f"{SECRET}",
        f"{SECRET} {SECRET} {SECRET}",
        f"substituters = https://user:{SECRET}@cache.example.org",
        f"extra-substituters = https://a https://{SECRET}@b",
        f"substituters = https://user:p/{SECRET}@cache.example.org",
        f"substituters = https://cache.example.org?auth={SECRET}&priority=3",
        f"substituters = s3://b?endpoint=http%3A%2F%2Froot%3A{SECRET}%40h",
        f"extra-trusted-public-keys = {SECRET_KEY}",
        f"trusted-public-keys = {PUBLIC_KEY} x-1:{SECRET}",
        f"trusted-public-keys = {SECRET_KEY[:-20]}",
        f"!include x {SECRET}",
        f"builders = ssh://root@h x86_64-linux {SECRET}",
        f"NIX_X={SECRET}",
        f"{SECRET}=",
        f"# The binary cache x, added by `nix-cache use`: {SECRET}",
    ],
)
def test_no_secret_of_nix_conf_is_shown(line: str) -> None:
    for secret in (SECRET, SECRET_KEY[5:-20]):
        assert secret not in nix_conf_line(line)
        assert secret not in nix_conf_line(line + "\r")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "substituters = https://cache.nixos.org  https://x?priority=3",
        "\textra-substituters=s3://b?endpoint=http%3A%2F%2Fh%3A9000&profile=p&region=r",
        f"trusted-public-keys = {PUBLIC_KEY}",
        "!include nix-cache/demo.conf",
        "include /etc/x.conf",
        "experimental-features = nix-command flakes\r",
        "max-jobs = auto",
        "netrc-file = /etc/nix/netrc",
    ],
)
def test_what_is_not_secret_in_nix_conf_is_shown(line: str) -> None:
    assert nix_conf_line(line) == line


def test_names_of_settings_are_shown() -> None:
    assert nix_conf_line("impure-env = A=B") == "impure-env = ****"
    assert nix_conf_line("cores = 2  # because") == "cores = 2  # ****"


def test_our_own_lines_of_nix_conf_are_shown() -> None:
    path = Path("/x")
    hook = texts.Hook("demo", path, path, path, path, path, system=True)
    ours = [
        conf_file.with_include(None, "demo"),
        conf_file.settings_text("demo", "https://x", [PUBLIC_KEY], Path("/k")),
        texts.settings(hook).encode(),
    ]
    for text in ours:
        change = FileChange(Path("n"), None, text, mask=nix_conf_line)
        assert "****" not in "\n".join(diff.unified(change))


@pytest.mark.parametrize("line", [SECRET_KEY, SECRET_KEY[4:], f"{SECRET} x:y", f"a b:{SECRET}"])
def test_of_a_signing_key_the_name_is_shown(line: str) -> None:
    assert signing_key_line(line) in {"k-1:****", "****"}
