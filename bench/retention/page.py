"""The page of the simulation."""

from collections.abc import Sequence

from bench.retention.policies import WHOLE_BUCKET, backends_with_room
from bench.retention.team import PACKAGES
from bench.retention.years import PAUSE_DAYS, RELEASE_EVERY_DAYS, RELEASE_NEEDED_DAYS, Years
from nix_cache.backends.registry import BACKENDS
from nix_cache.formats.cache_info import INFO_KEY

_HEAD = (
    f"| retention and writer | `{INFO_KEY}` lost | latest system incomplete "
    "| daily tool incomplete | a release incomplete "
    "| dangling references | narinfos without NAR | stored at the end | stored at most | uploaded |"
)


def row(years: Years) -> str:
    """Return the row of one policy."""
    lost = years.metadata_lost_on
    return (
        f"| {years.policy.name} | {'never' if lost is None else f'on day {lost}'} "
        f"| {_days(years.latest_incomplete_days)} | {_days(years.tool_incomplete_days)} "
        f"| {_days(years.release_incomplete_days)} "
        f"| {_days(years.dangling_days, years.most_dangling)} "
        f"| {_days(years.without_nar_days, years.most_without_nar)} "
        f"| {_size(years.stored_bytes)} | {_size(years.most_stored_bytes)} "
        f"| {_size(years.uploaded_bytes)} |"
    )


def page(results: Sequence[Years]) -> str:
    """Return the page, with a row for each policy."""
    rules = max(len(years.policy.rules) for years in results)
    able = backends_with_room(rules)
    titles = ", ".join(spec.title for spec in BACKENDS.values() if spec.name in able)
    others = ", ".join(spec.title for spec in BACKENDS.values() if spec.name not in able)
    lines = "\n".join(row(years) for years in results)
    return f"""# Retention, simulated

`make bench-retention` wrote this. It is the same on each run: all choices come from one seed.
{results[0].days:,} days of pushes to one bucket, under each policy. *Days* are days on which
something was wrong in the morning; in parentheses, how many narinfos at most.

{_HEAD}
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{lines}

## What is simulated

- A team has {PACKAGES} packages in layers and a system that has all of them. Eight packages at the
  bottom change about every second year, the others every 20 to 90 days. A change rebuilds what
  depends on it. The system's closure is pushed daily, and so is a tool that the system does not
  need and that changes rarely. NAR sizes are log-normal.
- Every {RELEASE_EVERY_DAYS} days the system is a release, which machines fetch for
  {RELEASE_NEEDED_DAYS} days more.
- Once the team pauses for {len(PAUSE_DAYS)} days, while machines go on to fetch the last system.
- The storage expires at the first midnight after the days of a rule, as S3 does. The rules are
  those of the component ({rules} of them), or one rule for all keys ({len(WHOLE_BUCKET)}).
- `expireAfterDays` runs on {titles}.
  {others} has no room for its rules: only a rule for the whole bucket could be set by hand.
- Collections run weekly, decided by the plan of `nix-cache gc`, with a grace period of 30 days.
- `nix copy` skips a path whose narinfo is there, and does not upload a NAR again that is there. On
  one machine it trusts its memory of a narinfo for 30 days.
- `nix-cache push` asks for each narinfo, uploads the NAR again if the narinfo is missing, and
  writes a root record, by which retention counts from the last push.
- With pins, the latest system and tool, and the releases that machines fetch are pinned.
"""


def _days(days: int, most: int | None = None) -> str:
    if not days:
        return "never"
    return f"{days:,} days" + ("" if most is None else f" ({most:,})")


def _size(count: int) -> str:
    return f"{count / 10**9:,.1f} GB"
