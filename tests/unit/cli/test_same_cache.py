"""Two spellings of one cache's URL, and the URLs of different caches."""

import itertools

import pytest

from nix_cache.cli.caches.same_cache import same_access, same_cache

SPELLINGS = [
    [
        "https://cache.example.org/a",
        "https://cache.example.org/a/",
        "https://cache.example.org:443/a",
        "HTTPS://Cache.Example.ORG/a",
        "https://cache.example.org/a?priority=10",
        "https://cache.example.org/a?trusted=1&priority=10",
        "https://cache.example.org/%61",
        "https://user:word@cache.example.org/a",
    ],
    ["http://cache.example.org", "http://cache.example.org:80/", "http://cache.example.org/?x=1"],
    [
        "s3://nix-cache?profile=nixbuilder&endpoint=s3.example.org",
        "s3://nix-cache?profile=nixbuilder&endpoint=s3.example.org&scheme=https",
        "s3://nix-cache?endpoint=https%3A%2F%2FS3.example.org%3A443%2F&region=eu-west-1",
        "s3://nix-cache/?endpoint=https://s3.example.org&priority=5",
    ],
    [
        "s3://nix-cache?endpoint=s3.example.org&scheme=http",
        "s3://nix-cache?endpoint=http://s3.example.org",
    ],
    [
        "s3://team",
        "s3://team?region=eu-west-1&profile=x",
        "s3://team?endpoint=https://s3.eu-west-1.amazonaws.com",
        "https://team.s3.eu-west-1.amazonaws.com",
        "https://team.s3.amazonaws.com/",
        "https://s3.eu-west-1.amazonaws.com/team",
        "https://team.s3.dualstack.eu-west-1.amazonaws.com",
    ],
    ["file:///srv/cache", "file:///srv/cache/"],
    ["ssh-ng://host"],
    ["https://["],
]
"""Each list has the spellings of one cache."""

SAME_BUCKET = [
    ("https://s3.example.org/nix-cache", "s3://nix-cache?endpoint=s3.example.org"),
    ("https://nix-cache.s3.example.org", "s3://nix-cache?endpoint=https://s3.example.org/"),
    ("http://10.0.0.1:9000/b/", "s3://b?endpoint=http://10.0.0.1:9000&region=us-east-1"),
]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda spellings: str(spellings[0]))
def test_all_spellings_of_a_url_are_one_cache(spellings: list[str]) -> None:
    for one, other in itertools.product(spellings, repeat=2):
        assert same_cache(one, other), (one, other)


def test_no_spelling_is_that_of_another_cache() -> None:
    for one, other in itertools.permutations(SPELLINGS, 2):
        for url, foreign in itertools.product(one, other):
            assert not same_cache(url, foreign), (url, foreign)


@pytest.mark.parametrize(("http", "s3"), SAME_BUCKET)
def test_a_bucket_is_one_place_over_http_and_over_s3(http: str, s3: str) -> None:
    """But the two are read in different ways: only the second is signed."""
    assert same_cache(http, s3)
    assert same_cache(s3, http)
    assert not same_access(http, s3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://cache.example.org/a", "https://cache.example.org/b"),
        ("https://cache.example.org/a", "https://cache.example.org/A"),
        ("https://cache.example.org", "https://cache.example.org:8443"),
        ("https://cache.example.org", "http://cache.example.org"),
        ("https://cache.example.org", "https://cache.example.org.evil.example"),
        ("s3://b?endpoint=x", "s3://b?endpoint=y"),
        ("s3://b?endpoint=x", "s3://c?endpoint=x"),
        ("s3://b", "https://b"),
        ("s3://b", "https://b.s3.example.org"),
        ("https://s3.example.org/nix-cache/more", "s3://nix-cache?endpoint=s3.example.org"),
    ],
)
def test_other_places_are_other_caches(one: str, other: str) -> None:
    assert not same_cache(one, other)
