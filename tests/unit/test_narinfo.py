"""Narinfos, hashes and content addresses: what the real cache.nixos.org serves, and its rules."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from nix_cache import content_address, signing
from nix_cache.lifecycle import NIX32
from nix_cache.narinfo import Narinfo, NarinfoError, narinfo_key, verify
from nix_cache.nix_hash import DIGEST_BYTES, HashFormatError, NixHash, decode_nix32, encode_nix32

OFFICIAL_KEY = "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="
"""The key that every Nix trusts from the start."""

HELLO = """\
StorePath: /nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10
URL: nar/15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx.nar.xz
Compression: xz
FileHash: sha256:15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx
FileSize: 41232
NarHash: sha256:1mi14cqk363wv368ffiiy01knardmnlyphi6h9xv6dkjz44hk30i
NarSize: 205968
References: 9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31 w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10
Sig: cache.nixos.org-1:uP5KU8MCmyRnKGlN5oEv6xWJBI5EO/Pf5aFztZuLSz8BpCcZ1fdBnJkVXhBAlxkdm/CemsgQskhwvyd2yghTAg==
"""  # noqa: E501
SOURCE = """\
StorePath: /nix/store/mg5riyrz6hva7njw82gr5ghvajklkccq-source
URL: nar/10mzlawkwj63dmnrsmxvj054icwqd23ma5si3rzgghw0dsdzq8sz.nar.xz
Compression: xz
FileHash: sha256:10mzlawkwj63dmnrsmxvj054icwqd23ma5si3rzgghw0dsdzq8sz
FileSize: 30528060
NarHash: sha256:0555pg9zcr3aazyxqb6g6q8vq3lc5zz3rnqx8ga1i3bs2q04yb4q
NarSize: 185066208
References:\x20
Sig: cache.nixos.org-1:nFS+NxdPcM46jWHq94n2CTx/0GYE9lBBtShoH8wEH1uq5RWPoLyq9t6UWzMxXHhsIfOCPdB1SUaVthPfyxpkCQ==
CA: fixed:r:sha256:0555pg9zcr3aazyxqb6g6q8vq3lc5zz3rnqx8ga1i3bs2q04yb4q
"""  # noqa: E501
"""Two narinfos as cache.nixos.org serves them: of a build, and of a source (its References line was
added)."""

hashes = st.sampled_from(sorted(DIGEST_BYTES)).flatmap(
    lambda algorithm: st.builds(
        NixHash,
        st.just(algorithm),
        st.binary(min_size=DIGEST_BYTES[algorithm], max_size=DIGEST_BYTES[algorithm]),
    )
)
base_names = st.builds(
    "{}-{}".format,
    st.text(NIX32, min_size=32, max_size=32),
    st.from_regex(r"[0-9A-Za-z+._?=-]{1,40}", fullmatch=True),
)


def rendered(info: Narinfo) -> str:
    """A narinfo as Nix writes it."""
    optional = {
        "FileHash": info.file_hash and info.file_hash.nix32,
        "FileSize": info.file_size,
        "Deriver": info.deriver,
        "CA": info.content_address,
    }
    lines = [
        f"StorePath: {info.store_path}",
        f"URL: {info.url}",
        f"Compression: {info.compression}",
        f"NarHash: {info.nar_hash.nix32}",
        f"NarSize: {info.nar_size}",
        f"References: {' '.join(info.references)}",
        *(f"{name}: {value}" for name, value in optional.items() if value is not None),
        *(f"Sig: {signature}" for signature in info.signatures),
    ]
    return "".join(f"{line}\n" for line in lines)


narinfos = st.builds(
    Narinfo,
    store_path=base_names.map("/nix/store/{}".format),
    url=st.from_regex(r"nar/[0-9a-z.]{1,60}", fullmatch=True),
    compression=st.sampled_from(["none", "xz", "zstd"]),
    file_hash=st.none() | hashes,
    file_size=st.none() | st.integers(1, 2**63),
    nar_hash=hashes.filter(lambda found: found.algorithm == "sha256"),
    nar_size=st.integers(1, 2**63),
    references=st.lists(base_names, max_size=5).map(tuple),
    deriver=st.none() | base_names,
    signatures=st.lists(st.from_regex(r"[a-z-]{1,9}:[A-Za-z0-9+/]{9}", fullmatch=True)).map(tuple),
    content_address=st.none() | hashes.map(lambda found: f"fixed:r:{found.nix32}"),
)


def test_a_narinfo_of_the_official_cache_is_read_whole() -> None:
    """Every field of it."""
    info = Narinfo.parse(HELLO)

    assert info.store_path == "/nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"
    assert info.url.startswith("nar/15zk4zsz")
    assert (info.compression, info.file_size, info.nar_size) == ("xz", 41232, 205968)
    assert info.file_hash == NixHash.parse(
        "sha256:15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx"
    )
    assert info.references[1] == info.base_name
    assert (info.deriver, info.content_address) == (None, None)
    assert info.key == "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1.narinfo"
    assert info.store_dir == "/nix/store"


@pytest.mark.parametrize("text", [HELLO, SOURCE])
def test_the_signature_of_the_official_cache_holds(text: str) -> None:
    """So the fingerprint is the one that the real signer used."""
    assert verify(Narinfo.parse(text), [OFFICIAL_KEY]) == ("cache.nixos.org-1",)


def test_references_are_signed_in_order_whatever_order_they_are_told_in() -> None:
    """Nix keeps them as a sorted set."""
    glibc, hello = (
        "9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31",
        "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10",
    )
    turned = HELLO.replace(f"{glibc} {hello}", f"{hello} {glibc} {hello}")

    assert verify(Narinfo.parse(turned), [OFFICIAL_KEY])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hello-2.10\nURL", "hello-2.11\nURL"),
        ("NarHash: sha256:1mi", "NarHash: sha256:1mj"),
        ("NarSize: 205968", "NarSize: 205969"),
        ("9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31 ", ""),
        ("org-1:uP5K", "org-1:uP5L"),
        ("org-1:uP5K", "org-2:uP5K"),
        ("org-1:uP5K", "org-1:%%%"),
        ("org-1:uP5K", "org-1:"),
    ],
)
def test_a_tampered_narinfo_has_no_good_signature(old: str, new: str) -> None:
    """Whatever is changed of what was signed, or of the signature."""
    assert old in HELLO

    assert verify(Narinfo.parse(HELLO.replace(old, new)), [OFFICIAL_KEY]) == ()


def test_what_is_not_signed_may_change() -> None:
    """A cache may compress the NAR anew."""
    changed = HELLO.replace("xz", "zstd").replace("41232", "50000")

    assert verify(Narinfo.parse(changed), [OFFICIAL_KEY])


def test_each_good_signature_is_named_once_in_its_order() -> None:
    """Of several keys, also of two under one name; those that are not trusted are left out."""
    keys = {name: signing.generate(name) for name in ("b-1", "a-1", "stranger-1")}
    info = Narinfo.parse(HELLO)
    message = info.fingerprint.encode()
    signatures = [
        f"{name}:{base64.b64encode(SigningKey(key.seed).sign(message).signature).decode()}"
        for name, key in keys.items()
    ]
    signed = Narinfo.parse(
        HELLO + "".join(f"Sig: {line}\n" for line in [*signatures, signatures[0]])
    )
    trusted = [
        signing.generate("a-1").public_text,
        keys["a-1"].public_text,
        keys["b-1"].public_text,
        OFFICIAL_KEY,
    ]

    assert verify(signed, trusted) == ("cache.nixos.org-1", "b-1", "a-1")
    assert verify(signed, []) == ()


def test_a_trusted_key_that_is_none_is_refused() -> None:
    """It would silently make every path unsigned."""
    with pytest.raises(signing.KeyFormatError):
        verify(Narinfo.parse(HELLO), ["cache.nixos.org-1:6NCH"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("StorePath: ", "Storepath: ", "StorePath is missing"),
        ("URL: ", "Url: ", "URL is missing"),
        ("NarHash: ", "Narhash: ", "NarHash is missing"),
        ("NarSize: ", "Narsize: ", "NarSize is missing"),
        ("/nix/store/w9", "nix/store/w9", "is no absolute path"),
        ("/nix/store/w9yy", "/nix/store/e9yy", "StorePath 'e9yy"),
        ("NarSize: 205968", "NarSize: 0", "NarSize '0' is no number of bytes above 0"),
        ("FileSize: 41232", "FileSize: -1", "FileSize '-1' is no number of bytes above 0"),
        ("NarHash: sha256:1m", "NarHash: sha256:1u", "NarHash: .*'u' is not a character of nix32"),
        ("NarHash: sha256:1", "NarHash: sha256:z", "NarHash: .* is more than 32 bytes"),
        ("NarHash: sha256:1m", "NarHash: sha256:", "NarHash: "),
        ("NarHash: sha256:", "NarHash: sha3:", "an algorithm other than md5, sha1, sha256, sha512"),
        ("NarHash: sha256:", "NarHash: ", "names no hash algorithm"),
        ("References: 9df65", "References: ../9df65", "References '../9df65"),
        ("Compression: xz", "Compression xz", "'Compression xz' is no `Name: value`"),
        ("URL: ", "URL: nar/x\nURL: ", "URL is there twice"),
        ("ghTAg==\n", "ghTAg==", "it was cut off"),
        (HELLO, "", "StorePath is missing"),
    ],
)
def test_a_broken_narinfo_is_refused_by_field_and_value(old: str, new: str, message: str) -> None:
    """So that whoever reads the message finds the place."""
    assert old in HELLO

    with pytest.raises(NarinfoError, match=message):
        Narinfo.parse(HELLO.replace(old, new))


def test_fields_that_are_not_known_are_left_alone() -> None:
    """Newer caches tell more."""
    assert Narinfo.parse(HELLO + "Ending: 9\n") == Narinfo.parse(HELLO)


def test_old_narinfos_that_tell_less_are_read() -> None:
    """Without a compression it is bzip2; an unknown deriver is none."""
    lines = [line for line in HELLO.splitlines() if not line.startswith(("Comp", "File", "Ref"))]
    info = Narinfo.parse("\n".join([*lines, "Deriver: unknown-deriver", ""]))

    assert info.compression == "bzip2"
    assert (info.file_hash, info.file_size, info.deriver) == (None, None, None)
    assert info.references == ()


@given(narinfos)
def test_a_narinfo_is_read_as_it_was_written(info: Narinfo) -> None:
    """Whatever is in its fields."""
    assert Narinfo.parse(rendered(info)) == info


@given(hashes)
def test_a_hash_is_the_same_in_every_spelling(value: NixHash) -> None:
    """nix32, base16, base64 and SRI."""
    plain = f"{value.algorithm}:{base64.b64encode(value.digest).decode()}"
    for text in (value.nix32, value.base16, value.sri, plain):
        assert NixHash.parse(text) == value


@given(st.binary(max_size=70))
def test_nix32_goes_both_ways(digest: bytes) -> None:
    """For any number of bytes."""
    assert decode_nix32(encode_nix32(digest), len(digest)) == digest


def test_the_spellings_are_those_of_the_real_nix() -> None:
    """The hash of nothing, as `nix hash convert` spells it."""
    empty = NixHash("sha256", hashlib.sha256(b"").digest())

    assert empty.nix32 == "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
    assert empty.sri == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@pytest.mark.parametrize("text", ["", "sha256", "sha256:", "sha256:x", "sha256-AAAA", "sha1-%"])
def test_a_text_that_is_no_hash_is_refused(text: str) -> None:
    """With the text in the message."""
    with pytest.raises(HashFormatError, match=f"'{text}' "):
        NixHash.parse(text)


def test_a_path_addressed_by_its_content_is_recognised() -> None:
    """By computing the path anew, as readers do, and not by the field alone."""
    assert Narinfo.parse(SOURCE).is_content_addressed
    assert not Narinfo.parse(HELLO).is_content_addressed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CA: fixed:r:sha256:0555", "CA: fixed:r:sha256:0556"),
        ("CA: fixed:r:", "CA: fixed:"),
        ("CA: fixed:r:", "CA: text:"),
        ("CA: fixed:r:", "CA: fixed:git:"),
        ("CA: fixed:r:", "CA: floating:"),
        ("CA: fixed:r:sha256:", "CA: fixed:r:"),
        ("-source\n", "-other\n"),
        ("References: ", "References: 9df65igwjmf2wbw0gbrrgair6piqjgmi-glibc-2.31"),
        ("References: ", "References: mg5riyrz6hva7njw82gr5ghvajklkccq-source"),
    ],
)
def test_a_content_address_that_gives_another_path_is_none(old: str, new: str) -> None:
    """Else anybody could pass off anything by writing a CA line."""
    assert old in SOURCE

    assert not Narinfo.parse(SOURCE.replace(old, new)).is_content_addressed


def test_only_trees_and_texts_may_refer_to_other_paths() -> None:
    """A flat file's address says nothing of references."""
    hello = "/nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"
    flat = f"fixed:{NixHash('sha256', bytes(32)).nix32}"
    with pytest.raises(content_address.ContentAddressError, match="cannot have references"):
        content_address.store_path(flat, "x", [hello], has_self=False, store_dir="/nix/store")
    text = f"text:{NixHash('sha256', bytes(32)).nix32}"
    with pytest.raises(content_address.ContentAddressError, match="cannot name itself"):
        content_address.store_path(text, "x", [hello], has_self=True, store_dir="/nix/store")


def test_the_key_of_a_path_is_its_hash() -> None:
    """What Nix asks the cache for."""
    path = "/nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"

    assert narinfo_key(path) == "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1.narinfo"
