"""What clients need, as text: URLs, the cache's own objects, nix.conf, NixOS and flakes. Pure."""

import json
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from nix_cache.formats.manifest import Manifest

MANIFEST_TYPE = "application/json"

UPLOAD_PARAMETERS = {
    "compression": "zstd",
    "parallel-compression": "true",
    "multipart-upload": "true",
}
"""zstd in parallel was 70 times as fast as the default, single-threaded xz, for a NAR 40 % larger;
without multipart uploads, 5 GiB is the largest NAR."""


def manifest_text(published: Manifest) -> str:
    """Return the text of the object ``nix-cache.json``, from ``Manifest.for_readers``."""
    fields = published.model_dump(mode="json", by_alias=True)
    return json.dumps(fields, indent=2, sort_keys=True) + "\n"


def s3_read_url(bucket: str, endpoint: str, region: str, profile: str) -> str:
    """Return the substituter URL of a private bucket: signed by a credentials profile.

    Without an endpoint it is AWS's own.
    """
    return _s3_url(bucket, {"profile": profile, "endpoint": endpoint, "region": region})


def s3_push_url(bucket: str, endpoint: str, region: str, profile: str) -> str:
    """Return the URL for ``nix copy --to``: signed, with fast compression and without a size limit.

    Without an endpoint it is AWS's own; without a profile the environment has the credentials.
    """
    return _s3_url(
        bucket, {"profile": profile, "endpoint": endpoint, "region": region, **UPLOAD_PARAMETERS}
    )


def substituter_settings(read_url: str, public_keys: Sequence[str]) -> str:
    """Return what every machine that uses the cache adds to nix.conf."""
    return f"extra-substituters = {read_url}\n{key_settings(public_keys)}"


def key_settings(public_keys: Sequence[str]) -> str:
    """Return what a machine adds that names the cache already."""
    return f"extra-trusted-public-keys = {' '.join(public_keys)}\n"


def trusting_settings(read_url: str, public_keys: Sequence[str]) -> tuple[str, str]:
    """Return what lets all users of a machine use the cache, without more rights than that."""
    return (
        f"extra-trusted-substituters = {read_url}",
        f"extra-trusted-public-keys = {' '.join(public_keys)}",
    )


def trusting_options(
    attribute: str, read_url: str, public_keys: Sequence[str], *, merged: bool
) -> tuple[str, ...]:
    """Return the same in the language of a module system, as for ``generated_settings``."""
    values = {"trusted-substituters": [read_url], "trusted-public-keys": public_keys}
    prefix = "" if merged else "extra-"
    return tuple(
        f"{attribute}.{prefix}{name} = [ {' '.join(map(_nix_string, items))} ];"
        for name, items in values.items()
    )


def nix_conf(read_url: str, public_keys: Sequence[str], secret_key_name: str) -> str:
    """Both parts of nix.conf: what every machine needs, and, as comments, what a writer adds."""
    return "\n".join(
        [
            "# /etc/nix/nix.conf, on every machine that uses the cache",
            substituter_settings(read_url, public_keys),
            "# ~/.config/nix/nix.conf, for those who push (an absolute path):",
            "# extra-experimental-features = nix-command",
            f"# secret-key-files = /home/YOU/.config/nix/{secret_key_name}.sec",
            "",
        ]
    )


def nixos_module(read_url: str, public_keys: Sequence[str]) -> str:
    """Return the same for NixOS, where nix.conf is generated."""
    return _nix_settings("nix.settings", read_url, public_keys)


def generated_settings(
    attribute: str, read_url: str, public_keys: Sequence[str], *, merged: bool
) -> str:
    """Return the same for another module system.

    Args:
        attribute: the option that holds settings of Nix.
        read_url: the substituter.
        public_keys: its keys.
        merged: whether the option's lists add to each other under the settings' plain names.
    """
    return _nix_settings(attribute, read_url, public_keys, prefix="" if merged else "extra-")


def flake_config(read_url: str, public_keys: Sequence[str]) -> str:
    """Return the same for ``flake.nix``: Nix asks users of the flake whether to accept it."""
    return _nix_settings("nixConfig", read_url, public_keys)


def _nix_settings(
    attribute: str, read_url: str, public_keys: Sequence[str], *, prefix: str = "extra-"
) -> str:
    """Return an attribute set that can be read alone, or added to one that is there."""
    return "\n".join(
        [
            "{",
            f"  {attribute} = {{",
            f"    {prefix}substituters = {_nix_list([read_url])};",
            f"    {prefix}trusted-public-keys = {_nix_list(public_keys)};",
            "  };",
            "}",
            "",
        ]
    )


def _s3_url(bucket: str, parameters: dict[str, str]) -> str:
    given = {name: value for name, value in parameters.items() if value}
    return f"s3://{bucket}?{urlencode(given, quote_via=quote, safe='')}"


def _nix_list(items: Sequence[str]) -> str:
    """Return a list within two attribute sets, one item on each line."""
    return "\n".join(["[", *(f"      {_nix_string(item)}" for item in items), "    ]"])


def _nix_string(text: str) -> str:
    return json.dumps(text).replace("${", "\\${")
