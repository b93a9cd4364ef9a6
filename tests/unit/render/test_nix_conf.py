"""Texts for clients, letter by letter."""

import json
from urllib.parse import parse_qs, urlsplit

from nix_cache.render import nix_conf
from tests.unit.cli import client_caches

KEYS = ["cache.example.org-a-1:AAAA", "cache.example.org-b-1:BBBB"]


def test_a_push_url_says_all_that_nix_needs_to_know() -> None:
    """The full endpoint, the region, the profile, and uploads that are quick and unlimited."""
    url = urlsplit(
        nix_conf.s3_push_url("nix-cache", "https://minio.example.org:9000", "us-east-1", "ci")
    )

    assert (url.scheme, url.netloc, url.path) == ("s3", "nix-cache", "")
    assert parse_qs(url.query, strict_parsing=True) == {
        "profile": ["ci"],
        "endpoint": ["https://minio.example.org:9000"],
        "region": ["us-east-1"],
        "compression": ["zstd"],
        "parallel-compression": ["true"],
        "multipart-upload": ["true"],
    }


def test_a_read_url_has_no_parameters_of_uploads() -> None:
    """They would be taken for those of the store that is read."""
    url = nix_conf.s3_read_url("nix-cache", "http://127.0.0.1:9000", "us-east-1", "nixreader")

    assert url == (
        "s3://nix-cache?profile=nixreader&endpoint=http%3A%2F%2F127.0.0.1%3A9000&region=us-east-1"
    )


def test_nix_conf_adds_to_what_is_there_and_comments_out_the_writers_part() -> None:
    """A machine that only reads can take the text as it is."""
    text = nix_conf.nix_conf("https://m.example.org/nix-cache", KEYS, "cache.example.org-a-1")
    effective = [line for line in text.splitlines() if line and not line.startswith("#")]

    assert effective == [
        "extra-substituters = https://m.example.org/nix-cache",
        "extra-trusted-public-keys = cache.example.org-a-1:AAAA cache.example.org-b-1:BBBB",
    ]
    assert "# secret-key-files = /home/YOU/.config/nix/cache.example.org-a-1.sec" in text


def test_what_a_machine_adds_to_nix_conf_is_two_lines() -> None:
    """The same that stands in the text for all users."""
    settings = nix_conf.substituter_settings("https://m.example.org/nix-cache", KEYS)

    assert settings.count("\n") == 2
    assert settings in nix_conf.nix_conf("https://m.example.org/nix-cache", KEYS, "name")


def test_the_nixos_module_is_a_module() -> None:
    """Lists of strings, not one string of several."""
    assert nix_conf.nixos_module("https://m.example.org/nix-cache", KEYS) == (
        "{\n"
        "  nix.settings = {\n"
        "    extra-substituters = [\n"
        '      "https://m.example.org/nix-cache"\n'
        "    ];\n"
        "    extra-trusted-public-keys = [\n"
        '      "cache.example.org-a-1:AAAA"\n'
        '      "cache.example.org-b-1:BBBB"\n'
        "    ];\n"
        "  };\n"
        "}\n"
    )


def test_the_flake_config_has_the_same_settings_as_the_nixos_module() -> None:
    """Under the attribute that Nix reads in flake.nix."""
    module = nix_conf.nixos_module("https://m.example.org/nix-cache", KEYS)
    flake = nix_conf.flake_config("https://m.example.org/nix-cache", KEYS)

    assert flake == module.replace("nix.settings", "nixConfig")
    assert "  nixConfig = {\n" in flake


def test_the_manifest_is_sorted_and_has_every_field() -> None:
    """With a final newline, so that what has not changed does not differ."""
    cache = client_caches.outputs()["manifest"]

    text = nix_conf.manifest_text(client_caches.manifest())

    assert text.endswith("}\n")
    newer = {"upstreams": {}, "partSizeMib": 0, "accessLogs": None}  # not in one of 0.1.0
    assert json.loads(text) == {**cache, **newer}
    assert list(json.loads(text)) == sorted([*cache, *newer])


def test_a_nix_string_cannot_be_broken_out_of() -> None:
    """Quotes and antiquotations are escaped."""
    assert '"a\\"b\\${c}"' in nix_conf.nixos_module('a"b${c}', [])
