"""The certificates that Nix trusts: the one choice for every command.

Nix 2.34 was asked which file it takes: ``ssl-cert-file`` in its configuration goes before the
variables, ``NIX_SSL_CERT_FILE`` goes before ``SSL_CERT_FILE`` even if it is empty, and the bundles
of the system come last.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.regular import regular_file
from nix_cache.cli.s3.deadline import tls_context

SETTING = "ssl-cert-file"
VARIABLES = ("NIX_SSL_CERT_FILE", "SSL_CERT_FILE")

BUNDLES = (
    "etc/ssl/certs/ca-certificates.crt",
    "nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/certs/ca-bundle.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/ssl/cert.pem",
    "usr/local/share/certs/ca-root-nss.crt",
)
"""Files of certificates of Debian, NixOS, Arch, Nix, openSUSE, Fedora, Alpine, macOS and FreeBSD.
The first two are Nix's own defaults, in their order. Then come those of its installer."""

_USER_BUNDLE = ".nix-profile/etc/ssl/certs/ca-bundle.crt"


@dataclass(frozen=True)
class Certificates:
    """A file of trusted certificates.

    Attributes:
        file: its path.
        origin: the setting or variable that names it; empty for a bundle of the system.
    """

    file: str
    origin: str = ""

    def __str__(self) -> str:
        return f"{self.file} ({self.origin})" if self.origin else self.file


def certificates(
    environment: Mapping[str, str] = os.environ, root: Path = Path("/")
) -> Certificates:
    """Return the certificates that Nix trusts.

    Args:
        environment: the process's.
        root: below which the bundles of the system are.
    """
    from nix_cache.cli.nix import conf_sources  # storages without TLS do without it

    lines = conf_sources.all_settings(environment).lines
    if set_here := [placed for placed in lines if placed.line.name == SETTING]:
        last = set_here[-1]
        file = " ".join(last.line.value)
        return (
            Certificates(file, f"{SETTING} in {last.where}") if file else _bundle(environment, root)
        )
    for name in VARIABLES:
        if name in environment:
            if environment[name]:
                return Certificates(environment[name], name)
            break
    return _bundle(environment, root)


def trust(environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return a context that trusts those certificates.

    Raises:
        ClientError: the file that a setting or a variable names cannot be used.
    """
    chosen = certificates(environment)
    try:
        with regular_file(Path(chosen.file)):  # OpenSSL would wait for the writer of a pipe
            return tls_context(chosen.file)
    except ssl.SSLError:
        problem = "has no certificate"
    except OSError as failure:
        problem = f"cannot be read: {failure.strerror or failure}"
    name = chosen.origin.partition(" ")[0] or SETTING
    raise ClientError(
        f"the file of trusted certificates {chosen} {problem}",
        f"correct {name}, or remove it to trust the certificates of the system",
    )


def _bundle(environment: Mapping[str, str], root: Path) -> Certificates:
    """Return the bundle of the system; that of botocore where the system has none."""
    candidates = [root / path for path in BUNDLES]
    if home := environment.get("HOME"):
        candidates.append(Path(home) / _USER_BUNDLE)
    for path in candidates:
        if os.access(path, os.R_OK):
            return Certificates(str(path))
    # Not what OpenSSL takes by itself, because that depends on SSL_CERT_FILE.
    default = ssl.get_default_verify_paths().openssl_cafile
    if os.access(default, os.R_OK):
        return Certificates(default)
    import botocore

    return Certificates(str(Path(botocore.__file__).with_name("cacert.pem")))
