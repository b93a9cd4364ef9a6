"""The growth with the number of writers as a page and as a plot. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MB = 10**6
_COLOURS = {"first up": "#1f77b4", "preview without changes": "#2ca02c", "refresh": "#d62728"}
_WIDTH, _HEIGHT, _MARGIN = 640, 400, 60


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: from its start to its end.
        processor_seconds: of the engine and all that it started.
        memory_bytes: the most that these had at one time.
    """

    seconds: float
    processor_seconds: float
    memory_bytes: int


@dataclass(frozen=True)
class Growth:
    """One number of writers.

    Attributes:
        writers: how many.
        cache: by command, what it took with the component.
        plain: by command, what it took for the same resources without the component.
        unwritten: what the first up with the component took where the engine wrote the state once.
    """

    writers: int
    cache: Mapping[str, Cost]
    plain: Mapping[str, Cost]
    unwritten: Cost


def table(rows: Sequence[Growth]) -> str:
    """Return a table in Markdown, with the component's cost as a multiple of the plain one."""
    lines = [
        "| writers | command | time | times plain | processor time | times plain | memory "
        "| times plain |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        for command, cost in row.cache.items():
            plain = row.plain[command]
            lines.append(
                f"| {row.writers} | {command} "
                f"| {cost.seconds:.1f} s | {cost.seconds / plain.seconds:.2f} "
                f"| {cost.processor_seconds:.1f} s "
                f"| {cost.processor_seconds / plain.processor_seconds:.2f} "
                f"| {cost.memory_bytes / _MB:.0f} MB "
                f"| {cost.memory_bytes / plain.memory_bytes:.2f} |"
            )
    return "\n".join(lines)


def summary(row: Growth) -> str:
    """One line on one number of writers: processor time as multiples of the plain program's."""
    costs = ", ".join(
        f"{command} {cost.processor_seconds / row.plain[command].processor_seconds:.2f}"
        for command, cost in row.cache.items()
    )
    return f"{row.writers:4} writers, processor time as multiples of plain: {costs}"


def written(rows: Sequence[Growth]) -> str:
    """Return a table of the first up, with and without the engine's writes of the state."""
    lines = [
        "| writers | cache | plain | cache, state written once |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        costs = (row.cache["first up"], row.plain["first up"], row.unwritten)
        cells = " | ".join(f"{cost.processor_seconds:.1f} s" for cost in costs)
        lines.append(f"| {row.writers} | {cells} |")
    return "\n".join(lines)


def beside_empty(empty: Mapping[str, Cost], row: Growth) -> str:
    """Return a table with costs as multiples of those of a program without resources."""
    lines = ["| program | command | processor time | times empty |", "| --- | --- | ---: | ---: |"]
    programs = {"empty": empty, "plain": row.plain, "cache": row.cache}
    lines += [
        f"| {program} | {command} | {costs[command].processor_seconds:.2f} s "
        f"| {costs[command].processor_seconds / empty[command].processor_seconds:.2f} |"
        for command in ("first up", "preview without changes")
        for program, costs in programs.items()
    ]
    return "\n".join(lines)


def page(empty: Mapping[str, Cost], rows: Sequence[Growth], machine: str, load: float) -> str:
    """Return the whole page.

    Args:
        empty: by command, what it took for a program without resources.
        rows: the results, that of the fewest writers first.
        machine: what it was measured on, in words that name no host.
        load: the machine's load average before the run.
    """
    return f"""\
# Growth with the number of writers, measured

`make bench-growth` wrote this, in one run. *Plain* is `bench/plain_program.py`, which declares the
same bucket, objects, policy, users, attachments and signing keys one by one, without the component
and its checks of names.

- The machine, with both the engine and MinIO: {machine}.
- Its load average before the run: {load:.1f}. If it is more than 1, other programs ran at the
  same time: compare processor time.
- Memory is that of the engine, its language host, the program and the plugins.
- Of previews and refreshes, the one of three that took least processor time counts.

{table(rows)}

![Processor time by the number of writers; dashed lines are the plain program](growth.svg)

## What bends the curve of the first up

Where the state is a folder or a bucket, the engine writes all of it at each step
([pulumi#10960](https://github.com/pulumi/pulumi/issues/10960)), so that an interrupted run loses
nothing. The last column is a run with `PULUMI_SKIP_CHECKPOINTS`, which gives that up. Processor
time of the first up:

{written(rows)}

## Beside an empty program

Writers: {rows[0].writers}. The program *empty* only imports Pulumi. One with a MinIO resource and a
signing key also starts two plugins, one of which is a Python process with Pulumi's SDK.

{beside_empty(empty, rows[0])}
"""


def plot(rows: Sequence[Growth]) -> str:
    """Processor time by the number of writers, as an SVG image."""
    most_writers = max(row.writers for row in rows)
    most_seconds = max(
        cost.processor_seconds
        for row in rows
        for costs in (row.cache, row.plain)
        for cost in costs.values()
    )

    def x(writers: float) -> float:
        return _MARGIN + writers / most_writers * (_WIDTH - 2 * _MARGIN)

    def y(seconds: float) -> float:
        return _HEIGHT - _MARGIN - seconds / most_seconds * (_HEIGHT - 2 * _MARGIN)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<path d="M{x(0)} {y(most_seconds)}V{y(0)}H{x(most_writers)}" fill="none" '
        'stroke="black"/>',
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 15}" text-anchor="middle">writers</text>',
        f'<text x="10" y="{_MARGIN - 20}">seconds of processor time</text>',
    ]
    parts += [
        f'<text x="{x(row.writers):.0f}" y="{y(0) + 18:.0f}" text-anchor="middle">'
        f"{row.writers}</text>"
        for row in rows
    ]
    for part in range(5):
        seconds = most_seconds * part / 4
        parts.append(
            f'<text x="{x(0) - 8:.0f}" y="{y(seconds) + 4:.0f}" text-anchor="end">'
            f"{seconds:.1f}</text>"
        )
    for index, (command, colour) in enumerate(_COLOURS.items()):
        for dashes, costs in (("", "cache"), (' stroke-dasharray="5 4"', "plain")):
            points = " ".join(
                f"{x(row.writers):.1f},{y(getattr(row, costs)[command].processor_seconds):.1f}"
                for row in rows
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" '
                f'stroke-width="2"{dashes}/>'
            )
        parts.append(
            f'<text x="{_MARGIN + 20}" y="{_MARGIN + 16 * index}" fill="{colour}">{command}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])
