"""Where doctor's verdict differs from Nix's, and why: the table of its page in the docs."""

from dataclasses import dataclass

from tests.e2e.verdicts.judges import Verdict

TAKEN, REFUSED, NOT_CHECKED = Verdict.TAKEN, Verdict.REFUSED, Verdict.NOT_CHECKED


@dataclass(frozen=True)
class Difference:
    """One kind of difference.

    Attributes:
        what: what is the case with a path.
        nix: the verdict of Nix 2.34.
        doctor: the verdict of doctor.
        why: the reason.
        samples: the mutations that show it, all of them.
        until: the first version of Nix that agrees with doctor; None if there is none yet.
    """

    what: str
    nix: Verdict
    doctor: Verdict
    why: str
    samples: tuple[str, ...]
    until: tuple[int, ...] | None = None


def expected(nix_version: tuple[int, ...]) -> dict[str, tuple[Verdict, Verdict]]:
    """By mutation, the verdicts of doctor and of Nix, where they differ under a version of Nix."""
    return {
        name: (difference.doctor, difference.nix)
        for difference in KNOWN_DIFFERENCES
        if difference.until is None or nix_version < difference.until
        for name in difference.samples
    }


def _with(prefix: str, *ways: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{way}" for way in ways)


KNOWN_DIFFERENCES = (
    Difference(
        "A reference is not in the cache.",
        REFUSED,
        TAKEN,
        "Another cache may have it. `doctor` warns.",
        _with("references-absent", "", "-and-present"),
    ),
    Difference(
        "The narinfo is of a path with the same hash and another name.",
        REFUSED,
        TAKEN,
        "`doctor` looks for hashes. The path that the narinfo names is valid.",
        ("path-stated-other-name",),
    ),
    Difference(
        "A path that ends in `.drv` holds something else than a derivation.",
        REFUSED,
        TAKEN,
        "`doctor` does not read derivations.",
        ("path-named-derivation",),
    ),
    Difference(
        "No dash follows the hash in a store path.",
        TAKEN,
        REFUSED,
        "Nix 2.35.2 and newer refuse it, too.",
        ("path-without-dash",),
        until=(2, 35, 2),
    ),
    Difference(
        "The compression is `identity`.",
        TAKEN,
        REFUSED,
        "Nix 2.35 and newer refuse it, too.",
        ("compression-identity-of-a-plain-nar",),
        until=(2, 35),
    ),
    Difference(
        "The compression is `compress`, `grzip`, `lrzip`, `lz4`, `lzip` or `lzop`.",
        REFUSED,
        NOT_CHECKED,
        "Only Nix undoes these. The samples are not compressed, so Nix refuses them.",
        tuple(
            f"compression-{name}-of-a-plain-nar"
            for name in ("compress", "grzip", "lrzip", "lz4", "lzip", "lzop")
        ),
    ),
    Difference(
        "Decompression needs more than 140 MB, such as a large dictionary of `xz`.",
        TAKEN,
        NOT_CHECKED,
        "`nix-cache` needs at most 300 MB.",
        _with("file-xz-dictionary-", "256", "1024", "2048"),
    ),
    Difference(
        "The checksum or the length at the end of a gzip file is wrong.",
        TAKEN,
        REFUSED,
        "The file is damaged, although the library of Nix does not look there.",
        _with(
            "file-gzip-",
            *("last-byte-flipped", "fifth-last-byte-flipped", "large-last-byte-flipped"),
        ),
    ),
    Difference(
        "Something follows the end of a Brotli file.",
        TAKEN,
        REFUSED,
        "The file is damaged, although Nix does not look there.",
        _with(
            "file-br-",
            *("text-after", "zeros-after", "five-zeros-after", "many-zeros-after"),
            *("itself-after", "large-text-after", "empty-part-last"),
        ),
    ),
    Difference(
        "A NAR is compressed twice in the same way.",
        TAKEN,
        REFUSED,
        "The library of Nix undoes both. No program writes such a file.",
        tuple(f"file-{name}-compressed-twice" for name in ("xz", "bzip2", "gzip", "zstd", "lzma")),
    ),
    Difference(
        "The end of a body with the Content-Encoding `gzip` or `deflate` is cut off.",
        TAKEN,
        REFUSED,
        "curl takes it if the content was complete.",
        tuple(
            f"{part}-encoding-{encoding}-cut-off"
            for part in ("narinfo", "stored")
            for encoding in ("gzip", "deflate")
        ),
    ),
    Difference(
        "The narinfo is larger than 1 MB.",
        TAKEN,
        NOT_CHECKED,
        "`nix-cache` reads no larger ones.",
        ("text-longer-than-a-narinfo",),
    ),
    Difference(
        "The narinfo or the NAR is redirected.",
        TAKEN,
        NOT_CHECKED,
        "`nix-cache` follows no redirects.",
        _with("", "narinfo-redirected", "stored-redirected"),
    ),
    Difference(
        "The URL of the NAR has a query, or dots as `%2e`.",
        TAKEN,
        NOT_CHECKED,
        "Servers treat such URLs in different ways.",
        _with("url-", "query", "percent-dots"),
    ),
    Difference(
        "The URL of the NAR leads out of the cache, or has empty parts.",
        REFUSED,
        NOT_CHECKED,
        "`doctor` asks the cache alone. Nix refuses the samples because nothing is there.",
        _with(
            "url-",
            *("absolute-path-elsewhere", "other-port", "double-slash", "folder", "parent"),
            *("query-alone", "fragment-alone", "scheme-ftp", "scheme-file"),
        ),
    ),
)
