"""Which certificates are trusted: those that Nix trusts, whatever the command."""

import os
import ssl
from pathlib import Path

import pytest
import trustme

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.certificates import BUNDLES, Certificates, certificates, trust
from nix_cache.cli.s3.deadline import tls_context
from tests.unit.cli.test_transport import within


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide a machine without configuration: its home, and the folder of its nix.conf."""
    monkeypatch.delenv("NIX_SSL_CERT_FILE", raising=False)
    (tmp_path / "etc").mkdir()
    return tmp_path


def machine(home: Path, **variables: str) -> dict[str, str]:
    return {
        "HOME": str(home),
        "NIX_CONF_DIR": str(home / "etc"),
        "XDG_CONFIG_DIRS": str(home / "xdg"),
        **variables,
    }


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({"NIX_SSL_CERT_FILE": "/a"}, Certificates("/a", "NIX_SSL_CERT_FILE")),
        ({"SSL_CERT_FILE": "/b"}, Certificates("/b", "SSL_CERT_FILE")),
        (
            {"NIX_SSL_CERT_FILE": "/a", "SSL_CERT_FILE": "/b"},
            Certificates("/a", "NIX_SSL_CERT_FILE"),
        ),
        (
            {"NIX_CONFIG": "ssl-cert-file = /d", "NIX_SSL_CERT_FILE": "/a"},
            Certificates("/d", "ssl-cert-file in NIX_CONFIG:1"),
        ),
    ],
)
def test_the_choice_is_that_of_nix(
    home: Path, variables: dict[str, str], chosen: Certificates
) -> None:
    """`tests/e2e` compares with the real one."""
    assert certificates(machine(home, **variables)) == chosen


def test_a_setting_goes_before_variables_and_the_users_file_before_the_machines(home: Path) -> None:
    """Also one in a file that nix.conf includes."""
    write(home / "etc" / "nix.conf", "!include more.conf\n")
    more = write(home / "etc" / "more.conf", "ssl-cert-file = /machine.pem\n")
    here = machine(home, NIX_SSL_CERT_FILE="/a")
    assert certificates(here) == Certificates("/machine.pem", f"ssl-cert-file in {more}:1")
    write(home / "xdg" / "nix" / "nix.conf", "ssl-cert-file = /xdg.pem\n")
    assert certificates(here).file == "/xdg.pem"
    write(home / ".config" / "nix" / "nix.conf", "ssl-cert-file = /user.pem\n")
    assert certificates(here).file == "/user.pem"
    first, second = (write(home / name, f"ssl-cert-file = /{name}\n") for name in ("one", "two"))
    assert certificates({**here, "NIX_USER_CONF_FILES": f"{first}:{second}"}).file == "/one"


@pytest.mark.parametrize("place", BUNDLES)
def test_bundles_are_found_where_distributions_put_them(home: Path, place: str) -> None:
    bundle = write(home / "root" / place, "")

    assert certificates(machine(home), home / "root") == Certificates(str(bundle))
    empty = machine(home, NIX_SSL_CERT_FILE="", SSL_CERT_FILE="/ignored")
    assert certificates(empty, home / "root") == Certificates(str(bundle))


def test_of_several_bundles_the_first_of_nix_counts(home: Path) -> None:
    for place in BUNDLES:
        write(home / "root" / place, "")

    assert certificates(machine(home), home / "root").file == str(home / "root" / BUNDLES[0])


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_file_without_certificates_is_named_with_its_setting(
    home: Path, content: str | None
) -> None:
    file = home / "ca.pem"
    if content is not None:
        file.write_text(content)
    write(home / "etc" / "nix.conf", f"ssl-cert-file = {file}\n")

    with pytest.raises(ClientError, match=r"ca\.pem \(ssl-cert-file in .*nix\.conf:1\) ") as error:
        trust(machine(home))
    assert error.value.fix.startswith("correct ssl-cert-file")


def test_a_pipe_is_reported_and_not_waited_for(home: Path) -> None:
    os.mkfifo(home / "ca.pem")

    with within(2), pytest.raises(ClientError, match="it is not a regular file"):
        trust(machine(home, NIX_SSL_CERT_FILE=str(home / "ca.pem")))


def test_an_empty_variable_hides_the_other_one_from_openssl_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL reads SSL_CERT_FILE by itself when it takes its defaults."""
    ca = home / "ca.pem"
    trustme.CA(organization_name="hidden").cert_pem.write_to_path(ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    here = machine(home, NIX_SSL_CERT_FILE="", SSL_CERT_FILE=str(ca))

    chosen = certificates(here, home / "root")

    trusted = str(tls_context(chosen.file).get_ca_certs())
    assert "hidden" not in trusted
    assert "commonName" in trusted


def test_authorities_need_no_more_than_nix_wants(home: Path) -> None:
    """Python 3.13 refuses private authorities that curl accepts."""
    trustme.CA().cert_pem.write_to_path(home / "ca.pem")
    flags = trust(machine(home, NIX_SSL_CERT_FILE=str(home / "ca.pem"))).verify_flags

    assert not flags & ssl.VERIFY_X509_STRICT
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN
