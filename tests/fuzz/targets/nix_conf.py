"""nix.conf, and the files that it includes."""

import shutil
import tempfile
from pathlib import Path

from nix_cache.cli.machine import masking
from nix_cache.cli.machine.appended import HEADER
from nix_cache.cli.nix import conf_file, flake_settings
from nix_cache.cli.nix.conf_includes import MOST_INCLUDES, NixConfReader
from tests.fuzz.target import Target

_NAMES = ("demo", "a.b", "nix-cache-post-build-hook")
_FOLDER = tempfile.TemporaryDirectory(prefix="nix-cache-fuzz-")
_SEED = b"""\
# /etc/nix/nix.conf
substituters = https://cache.nixos.org
extra-trusted-public-keys = a-1:AAAA b-1:BBBB # mine
access-tokens = github.com=ghp_0123456789
!include nix.custom.conf
"""


def _check_file(data: bytes) -> bool:
    """Include caches and take them out again, in another order."""
    lines = list(conf_file.parse(data))
    assert [line.number for line in lines] == sorted({line.number for line in lines})
    names = [name for name in _NAMES if conf_file.include_line(data, name) is None]
    text: bytes | None = data
    for name in names:
        assert text is not None
        text = conf_file.with_include(text, name)
        assert conf_file.with_include(text, name) == text
        assert name in conf_file.included_names(text)
    for name in (*names[1:], *names[:1]):
        assert text is not None
        text = conf_file.without_include(text, name)
    made_by_us = text is None and data == HEADER
    assert text == data or made_by_us, "not as it was"
    return bool(lines)


def _check_includes(data: bytes) -> bool:
    """Follow the includes of files that stand one after the other, each below its name."""
    folder = Path(_FOLDER.name) / "nix"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for part in data.split(b"=== ")[:20]:
        name, _, content = part.partition(b"\n")
        if name.isalnum() and len(name) < 30:
            (folder / name.decode()).write_bytes(content)
    reader = NixConfReader()
    placed = list(reader.file(folder / "conf"))
    assert len(placed) <= (data.count(b"\n") + 1) * (MOST_INCLUDES + 1)
    for mistake in reader.mistakes:
        assert mistake.where.startswith(str(folder))
        assert mistake.fix
    return bool(placed or reader.mistakes)


def _check_flake(data: bytes) -> bool:
    """Find the lists of a flake, each in a line that names it."""
    text = data.decode(errors="replace")
    found = list(flake_settings.lists_in("flake.nix", text))
    lines = text.split("\n")
    for one in found:
        file, _, number = one.where.rpartition(":")
        assert file == "flake.nix"
        assert one.name in lines[int(number) - 1]
    return bool(found)


def _check_masking(data: bytes) -> bool:
    """Show lines in which the input stands where a secret may be."""
    secret = _SECRET + data.decode("latin-1").replace("\n", "")
    for template in _SECRET_PLACES:
        shown = masking.nix_conf_line(template.format(secret))
        assert _SECRET not in shown, template
        assert masking.nix_conf_line(shown) == shown, "masked twice is not masked once"
    for template in _SECRET_PLACES_FOR_AWS:
        assert _SECRET not in masking.credentials_line(template.format(secret)), template
    assert _SECRET not in masking.signing_key_line(f"name:{secret}")
    for line in data.decode(errors="backslashreplace").split("\n"):
        masking.nix_conf_line(line)
        masking.credentials_line(line)
        masking.signing_key_line(line)
    return True


_SECRET = "TOPSECRET0123456789"
_SECRET_PLACES = (
    "access-tokens = github.com={}",
    "extra-access-tokens=gitlab.com=PAT:{}",
    "impure-env = TOKEN={}",
    "# access-tokens = github.com={}",
    "no-such-setting = {}",
    "access-tokens {}",
    "ACCESS-TOKENS = {}",
)
_SECRET_PLACES_FOR_AWS = (
    "aws_secret_access_key = {}",
    "aws_secret_access_key: {}",
    "AWS_SESSION_TOKEN={}",
    "# aws_secret_access_key = {}",
    "aws_secret_access_key {}",
    "no_such_setting = {}",
    "  {}",
)

TARGETS = (
    Target("masked-lines", _check_masking, (b"", b"x@y"), tokens=(b"=", b"[", b"]", b"#", b":")),
    Target(
        "nix-conf",
        _check_file,
        (_SEED, b"a = b\r\nsubstituters = x\r\n"),
        tokens=(
            b"!include nix-cache/demo.conf\n",
            b"include nix-cache/demo.conf # x\n",
            b"# The binary cache demo, added by `nix-cache use`:\n",
            b"# Made by `nix-cache use`, which removes it when nothing else is left in it.\n",
            b" = ",
            b"\\\n",
        ),
    ),
    Target(
        "flake-settings",
        _check_flake,
        (
            b'{ nixConfig = { substituters = [ "https://a" ]; }; outputs = _: {}; }',
            b"{ nixConfig.trusted-public-keys = ''a:b''; }",
        ),
        tokens=(
            *(b"nixConfig", b" = {", b"substituters", b"trusted-public-keys", b" = [", b"];"),
            *(b"/*", b"*/", b"#", b'"', b"''", b"}", b"."),
        ),
    ),
    Target(
        "nix-conf-includes",
        _check_includes,
        (
            b"=== conf\ninclude more\na = b\n=== more\nc = d\n",
            b"=== conf\ninclude conf\ninclude conf\n",
            b"=== conf\n!include a\n=== a\ninclude b\ninclude b\n=== b\ninclude a\nx = y\n",
        ),
        tokens=(
            b"include conf\n",
            b"!include a\n",
            b"!include /dev/zero\n",
            b"=== c\n",
            b"include ../nix/conf\n",
            b"include /\n",
        ),
    ),
)
