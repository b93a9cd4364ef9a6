"""Key texts: what Nix itself writes and reads."""

import base64

import pytest
from nacl.signing import SigningKey, VerifyKey

from nix_cache.formats import signing

# RFC 8032, section 7.1, test 1: a seed and the public key that belongs to it.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SECRET_TEXT = f"cache.example.org-1:{base64.b64encode(SEED + PUBLIC).decode()}"
PUBLIC_TEXT = f"cache.example.org-1:{base64.b64encode(PUBLIC).decode()}"


def test_a_secret_key_is_read_and_written_as_it_was() -> None:
    """A key that is brought in comes out letter for letter."""
    key = signing.parse_secret_key(SECRET_TEXT)

    assert key.name == "cache.example.org-1"
    assert key.secret_text == SECRET_TEXT
    assert key.public_text == PUBLIC_TEXT


def test_space_around_a_key_is_forgiven() -> None:
    """Key files end with a newline."""
    assert signing.parse_secret_key(f" {SECRET_TEXT}\n").secret_text == SECRET_TEXT


def test_a_generated_key_signs_what_its_public_half_verifies() -> None:
    """The two halves belong together, and no two keys are the same."""
    key, other = signing.generate("a-1"), signing.generate("a-1")

    assert key.seed != other.seed
    public = base64.b64decode(key.public_text.partition(":")[2])
    signature = SigningKey(key.seed).sign(b"1;/nix/store/x;sha256:y;1;").signature
    VerifyKey(public).verify(b"1;/nix/store/x;sha256:y;1;", signature)


def test_the_representation_of_a_key_does_not_show_it() -> None:
    """A key that lands in a traceback stays a secret."""
    key = signing.parse_secret_key(SECRET_TEXT)

    assert repr(key) == "SecretKey(name='cache.example.org-1')"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no colon"),
        ("cache.example.org-1", "no colon"),
        (f":{base64.b64encode(SEED + PUBLIC).decode()}", "its name"),
        (f"a b:{base64.b64encode(SEED + PUBLIC).decode()}", "its name"),
        ("cache-1:%%%", "not base64"),
        (f"cache-1:{base64.b64encode(SEED).decode()}", "64 bytes after the colon, this has 32"),
        (PUBLIC_TEXT, "64 bytes after the colon, this has 32"),
        (f"cache-1:{base64.b64encode(SEED + SEED).decode()}", "public half does not belong"),
    ],
)
def test_a_broken_secret_key_is_refused_without_being_shown(text: str, reason: str) -> None:
    """The message names the mistake, and never the material."""
    with pytest.raises(signing.KeyFormatError, match=reason) as refusal:
        signing.parse_secret_key(text)

    material = text.partition(":")[2]
    assert not material or material not in str(refusal.value)


def test_a_public_key_gives_its_name_and_a_secret_one_is_refused_in_its_place() -> None:
    """A secret key pasted into a public list must not be taken for a public one."""
    assert signing.parse_public_key(PUBLIC_TEXT) == "cache.example.org-1"
    with pytest.raises(signing.KeyFormatError, match="32 bytes"):
        signing.parse_public_key(SECRET_TEXT)


@pytest.mark.parametrize(
    "name",
    [
        "example.net/team.a-1",
        "example.net/a+b-1",
        "user@host_1",
        "hydra.nixos.org-1",
        "-",
        "(x)$y'z\"",
        "schlüssel-1",
    ],
)
def test_a_public_key_has_any_name_that_nix_allows(name: str) -> None:
    """Caches of others choose the names. Nix forbids only the colon that ends the name."""
    assert signing.parse_public_key(f"{name}:{PUBLIC_TEXT.partition(':')[2]}") == name


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "a#b", "a\x1b[0m", "a\u202eb", "a\u00a0b"])
def test_a_name_that_nix_conf_cannot_hold_is_refused(name: str) -> None:
    """Or one that would hide what it is where it is shown."""
    with pytest.raises(signing.KeyFormatError, match="name"):
        signing.parse_public_key(f"{name}:{PUBLIC_TEXT.partition(':')[2]}")


def test_a_key_is_named_after_domain_writer_and_generation() -> None:
    """The form that readers see in their nix.conf."""
    assert signing.key_name("cache.example.org", "ci", 3) == "cache.example.org-ci-3"
