"""The page and the plot of `bench.growth`."""

from xml.etree import ElementTree

from bench.growth_report import Cost, Growth, page, plot, summary

COMMANDS = ("first up", "preview without changes", "refresh")


def growth(writers: int) -> Growth:
    """Twice the time and processor time of the plain program, and as much memory."""
    cache = dict.fromkeys(COMMANDS, Cost(2.0 * writers, 4.0 * writers, 10**8))
    plain = dict.fromkeys(COMMANDS, Cost(1.0 * writers, 2.0 * writers, 10**8))
    return Growth(writers, cache, plain, Cost(1.0, 1.5 * writers, 10**8))


EMPTY = dict.fromkeys(COMMANDS, Cost(0.5, 1.0, 10**8))


def test_the_table_has_each_command_as_a_multiple_of_the_plain_one() -> None:
    """For each number of writers."""
    text = page(EMPTY, [growth(1), growth(10)], "2 cores", 0.1)

    assert "| 10 | refresh | 20.0 s | 2.00 | 40.0 s | 2.00 | 100 MB | 1.00 |\n" in text
    assert text.count("10 | first up |") == 1
    assert "(growth.svg)" in text


def test_each_result_is_one_line_while_the_others_are_measured() -> None:
    """All commands of one number of writers."""
    assert summary(growth(10)) == (
        "  10 writers, processor time as multiples of plain: "
        "first up 2.00, preview without changes 2.00, refresh 2.00"
    )


def test_the_engines_writes_are_shown_apart() -> None:
    """Processor time of the first up alone."""
    text = page(EMPTY, [growth(1), growth(10)], "2 cores", 0.1)

    assert "| 10 | 40.0 s | 20.0 s | 15.0 s |\n" in text


def test_few_writers_are_compared_with_an_empty_program() -> None:
    """With and without the component."""
    text = page(EMPTY, [growth(1), growth(10)], "2 cores", 0.1)

    assert "| empty | first up | 1.00 s | 1.00 |\n" in text
    assert "| plain | first up | 2.00 s | 2.00 |\n" in text
    assert "| cache | preview without changes | 4.00 s | 4.00 |\n" in text


def test_the_plot_has_a_line_for_each_command_and_program() -> None:
    """Within its frame."""
    image = ElementTree.fromstring(plot([growth(1), growth(10)]))
    lines = image.findall("{http://www.w3.org/2000/svg}polyline")

    assert len(lines) == 6
    points = [point.split(",") for line in lines for point in line.attrib["points"].split()]
    assert all(60 <= float(x) <= 580 and 60 <= float(y) <= 340 for x, y in points)
