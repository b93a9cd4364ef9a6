"""Whatever a manifest says, `nix-cache use` writes only the lines that an honest one leads to."""

import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from nix_cache.cli.caches.source import Origin, parse
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.places import user_place
from nix_cache.cli.use.settings_plan import SettingsPlan, Wish, plan_use
from tests.unit.cli.client_caches import ENDPOINT, READER, WRITER, outputs

LINES = {
    "demo.conf": (
        "# ",
        "extra-substituters = ",
        "extra-trusted-public-keys = ",
        "extra-secret-key",
    ),
    "credentials": ("# ", "", "[", "aws_access_key_id = ", "aws_secret_access_key = "),
    "nix.conf": ("# ", "", "!include nix-cache/demo.conf"),
}
PIECES = st.sampled_from(
    [
        *("\n", "\r", "\t", " ", "\x0b", "\x85", "\u2028", "\u202e", "\ud800", "\x00", "#", "\\"),
        *("%0a", "%20", "%00", "%2e%2e", "%", "+", "&", "?", "=", ";", "/", "//", "..", "@", ":"),
        *("&secret-key=/etc/x", "&trusted=true", "&endpoint=https://evil.example", "?trusted=1"),
        *("&%65ndpoint=https%3A%2F%2Fevil.example", "@evil.example/", "[", "]", "[default]"),
        *("default", "\npost-build-hook = /x", "\n[default]\n", "S3://", "ssh-ng://evil.example"),
    ]
)


@st.composite
def spoilt(draw: st.DrawFn, text: str) -> str:
    """Return a text with something put into it."""
    for _ in range(draw(st.integers(1, 2))):
        position = draw(st.integers(0, len(text)))
        text = text[:position] + draw(PIECES) + text[position:]
    return text


@st.composite
def hostile_outputs(draw: st.DrawFn) -> dict[str, Any]:
    """All outputs of a stack, one text of which is spoilt."""
    reported = outputs(public=draw(st.booleans()))
    cache = reported["manifest"]
    targets: list[tuple[Any, Any]] = [
        *((cache, name) for name in ("readUrl", "endpoint", "region", "bucket", "storeDir")),
        *((cache["pushUrls"], WRITER), (cache["profiles"], WRITER), (cache["publicKeys"], 0)),
        *((reported["signingKeys"], WRITER), (reported["credentials"][WRITER], "secretAccessKey")),
        (reported["credentials"][WRITER], "accessKeyId"),
    ]
    if READER in cache["profiles"]:
        targets += [(cache["profiles"], READER), (reported["credentials"][READER], "accessKeyId")]
    container, key = draw(st.sampled_from(targets))
    container[key] = draw(spoilt(container[key]))
    return reported


@settings(deadline=None, max_examples=300)
@given(hostile_outputs(), st.sampled_from([Origin.FILE, Origin.URL]))
def test_no_line_setting_or_place_is_smuggled_in(reported: dict[str, Any], origin: Origin) -> None:
    """A manifest is refused with one error, or does what an honest one does."""
    if origin is Origin.URL:
        reported = {"manifest": reported["manifest"]}
    with tempfile.TemporaryDirectory() as home:
        place = user_place({"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config"})
        writer = WRITER if origin is Origin.FILE else None
        try:
            source = parse(json.dumps(reported), "test", origin)
            plan = plan_use(source, Wish(place, name="demo", writer=writer))
        except ClientError:
            return
        _assert_honest(plan, Path(home))


def _assert_honest(plan: SettingsPlan, home: Path) -> None:
    for change in plan.changes:
        assert change.path.is_relative_to(home)
        if (starts := LINES.get(change.path.name)) is not None:
            lines = (change.after or b"").decode().split("\n")
            assert all(line == "" or line.startswith(starts) for line in lines), lines
            assert "[default]" not in lines
    found = plan.record.manifest
    urls = [*found.push_urls.values(), *([] if found.public else [plan.read_url])]
    for url in urls:
        parameters = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        assert (urlsplit(url).scheme, urlsplit(url).netloc) == ("s3", found.bucket)
        assert [value for name, value in parameters if name == "endpoint"] == [found.endpoint]
        assert not {"secret-key", "trusted", "store"} & {name for name, _ in parameters}
    if found.public:
        assert urlsplit(plan.read_url)[3:] == ("", "")
        assert "@" not in urlsplit(plan.read_url).netloc
    assert "evil.example" not in f"{urls}" or found.endpoint != ENDPOINT
