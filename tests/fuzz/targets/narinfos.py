"""Narinfos, hashes and keys."""

import base64
import contextlib

from nacl.signing import SigningKey

from nix_cache.formats import signing
from nix_cache.formats.content_address import ContentAddressError
from nix_cache.formats.narinfo import Narinfo, NarinfoError, verify
from nix_cache.formats.narinfo_trust import distrust
from nix_cache.formats.nix_hash import HashFormatError, NixHash
from tests.fuzz.target import Target

_KEY = signing.SecretKey("cache.example.org-1", bytes(range(32)))
_NAR = "sha256:1mi14cqk363wv368ffiiy01knardmnlyphi6h9xv6dkjz44hk30i"
_HELLO = "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"
_GLIBC = "9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31"


def _signed(text: str) -> bytes:
    message = Narinfo.parse(text).fingerprint.encode()
    signature = base64.b64encode(SigningKey(_KEY.seed).sign(message).signature).decode()
    return f"{text}Sig: {_KEY.name}:{signature}\n".encode()


_BUILT = _signed(
    f"StorePath: /nix/store/{_HELLO}\n"
    "URL: nar/15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx.nar.xz\n"
    "Compression: xz\n"
    "FileHash: sha256:15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx\n"
    "FileSize: 41232\n"
    f"NarHash: {_NAR}\n"
    "NarSize: 205968\n"
    f"References: {_GLIBC} {_HELLO}\n"
    f"Deriver: {_HELLO}.drv\n"
)
_SOURCE = (
    b"StorePath: /nix/store/mg5riyrz6hva7njw82gr5ghvajklkccq-source\n"
    b"URL: nar/10mzlawkwj63dmnrsmxvj054icwqd23ma5si3rzgghw0dsdzq8sz.nar\n"
    b"Compression: none\n"
    b"NarHash: sha256:0555pg9zcr3aazyxqb6g6q8vq3lc5zz3rnqx8ga1i3bs2q04yb4q\n"
    b"NarSize: 185066208\n"
    b"References: \n"
    b"CA: fixed:r:sha256:0555pg9zcr3aazyxqb6g6q8vq3lc5zz3rnqx8ga1i3bs2q04yb4q\n"
)
SEEDS = (_BUILT, _SOURCE)
TOKENS = (
    *(f"{name}: ".encode() for name in ("StorePath", "URL", "References", "CA", "Sig", "NarSize")),
    b"unknown-deriver",
    b"text:sha256:",
    b"fixed:git:sha1:",
    b"sha256-",
    b"../../nix-cache-info",
    b"https://elsewhere.example/nar/x.nar",
    b"nar/%2e%2e/x.nar?a=b#c",
)


def _check_narinfo(data: bytes) -> bool:
    try:
        info = Narinfo.parse(data)
    except NarinfoError:
        return False
    with contextlib.suppress(ContentAddressError):
        assert info.is_content_addressed in {True, False}
    distrust(info, [_KEY.public_text])
    assert set(verify(info, [_KEY.public_text])) <= {_KEY.name}
    assert info.key.endswith(".narinfo")
    again = Narinfo.parse(_rendered(info))
    assert again == info, "a narinfo that is written again is another one"
    assert again.fingerprint == info.fingerprint
    return True


def _rendered(info: Narinfo) -> str:
    """Write a narinfo as Nix does."""
    fields = {
        "StorePath": info.store_path,
        "URL": info.url,
        "Compression": info.compression,
        "FileHash": info.file_hash and info.file_hash.nix32,
        "FileSize": info.file_size,
        "NarHash": info.nar_hash.nix32,
        "NarSize": info.nar_size,
        "References": " ".join(info.references),
        "Deriver": info.deriver,
        "CA": info.content_address,
    }
    lines = [f"{name}: {value}\n" for name, value in fields.items() if value is not None]
    return "".join([*lines, *(f"Sig: {signature}\n" for signature in info.signatures)])


def _check_hash(data: bytes) -> bool:
    try:
        found = NixHash.parse(data.decode(errors="surrogateescape"))
    except HashFormatError:
        return False
    assert found == NixHash.parse(found.nix32) == NixHash.parse(found.base16)
    assert found == NixHash.parse(found.sri)
    return True


def _check_keys(data: bytes) -> bool:
    """Read a key as either kind. A message never has the text of a secret one."""
    text = data.decode(errors="surrogateescape")
    accepted = False
    try:
        secret = signing.parse_secret_key(text)
        accepted = signing.parse_secret_key(secret.secret_text) == secret
        assert accepted
        assert signing.parse_public_key(secret.public_text) == secret.name
    except signing.KeyFormatError as mistake:
        encoded = text.strip().partition(":")[2]
        assert len(encoded) < 16 or encoded not in str(mistake), "a secret is shown"
    with contextlib.suppress(signing.KeyFormatError):
        assert signing.parse_public_key(text)
        accepted = True
    return accepted


TARGETS = (
    Target("narinfo", _check_narinfo, SEEDS, tokens=TOKENS),
    Target(
        "hash",
        _check_hash,
        (_NAR.encode(), b"sha1:kpcd173cq987hw957sx6m0868wv3x6d9", NixHash.of(b"").sri.encode()),
        tokens=(b"sha512:", b"md5-", b"blake3:", b"=", b":"),
    ),
    Target(
        "signing-key",
        _check_keys,
        (_KEY.secret_text.encode(), _KEY.public_text.encode()),
        tokens=(b":", b"==", b" "),
    ),
)
