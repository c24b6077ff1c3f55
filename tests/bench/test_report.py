"""What is made of results: medians, ratios, tables, a chart, and the last line of the quick run."""

import re
import xml.etree.ElementTree as ET

import pytest

from bench import browser, compare
from bench.chart import chart
from bench.figures import Spread, rounded, spread, times, written
from bench.quick import last_line
from bench.report import markdown
from bench.runs import LATENCY, WORKLOADS, Run, applies


def test_the_median_and_the_range() -> None:
    assert spread([3, 1, 2]) == Spread(2, 1, 3)
    assert spread([4, 1, 2, 3]) == Spread(2.5, 1, 4)
    assert spread([7]) == Spread(7, 7, 7)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.1234, "0.123"),
        (47.31, "47.3"),
        (999.4, "999"),
        (1234, "1.23 k"),
        (12_345, "12.3 k"),
        (165_432, "165 k"),
        (1_290_000, "1,290 k"),
    ],
)
def test_three_digits_are_written(value: float, text: str) -> None:
    assert rounded(value) == text


def test_a_range_is_written_where_there_is_one() -> None:
    assert written(Spread(2000, 1000, 3000)) == "2.00 k (1.00 k to 3.00 k)"
    assert written(Spread(2000, 2000, 2000)) == "2.00 k"
    assert times(450, 90) == "5.00"
    assert times(450, 0) == "–"


def test_the_ratio_is_the_last_number_of_the_last_line() -> None:
    line = last_line({"chatsite": 450_000.4, "node": 90_000})
    assert "\n" not in line
    assert re.findall(r"[0-9.]+", line)[-1] == "5.00"


def run(workload: str, server: str, repeat: int = 1, **figures: object) -> Run:
    return Run(repeat, workload, server, figures)


def throughput(server: str, *values: float) -> list[Run]:
    return [run("W6", server, repeat, per_second=value, rate=value / 10) for repeat, value in enumerate(values, 1)]


def test_the_table_has_medians_ranges_and_ratios_to_node() -> None:
    text = markdown([*throughput("chatsite", 440_000, 450_000, 500_000), *throughput("node", 90_000, 80_000, 100_000)])
    assert "| Chatsite | 450 k (440 k to 500 k) | 5.00 | 45.0 k (44.0 k to 50.0 k) |" in text
    assert "| Node socket.io | 90.0 k (80.0 k to 100 k) | 1.00 |" in text


def test_a_table_without_node_has_no_ratios() -> None:
    assert "| Chatsite | 1.00 k |  | 100 |" in markdown(throughput("chatsite", 1000))


def latency(*, reaches: bool) -> Run:
    figures = {"latency_ms": {"p50": 1.0, "p99": 4.0}}
    return run(LATENCY, "chatsite", rate=20_000, own=figures, node=figures, node_rate=4_500, node_reaches=reaches)


def test_where_node_does_not_reach_the_rate_it_is_said() -> None:
    assert "does not reach the rate" in markdown([latency(reaches=False)])
    assert "does not reach the rate" not in markdown([latency(reaches=True)])


def test_a_disturbed_run_is_said_to_be_worth_little() -> None:
    disturbed = run("W6", "chatsite", per_second=1, rate=1, cores={"others": 0.4, "server": 0.6, "generator": 0.1})
    quiet = run("W6", "chatsite", per_second=1, rate=1, cores={"others": 0.01, "server": 1, "generator": 0.1})
    assert "up to 40%" in markdown([disturbed, quiet])
    assert "Other programs" not in markdown([quiet])


def test_a_generator_at_its_limit_is_named() -> None:
    full = run("W6", "ceiling", per_second=1_590_000, rate=1, cores={"others": 0, "server": 0.9, "generator": 0.99})
    assert "1,590 k a second is its own limit" in markdown([full])


def test_everything_is_measured_of_chatsite_and_what_makes_sense_of_the_others() -> None:
    assert all(applies(workload, "chatsite") for workload in WORKLOADS)
    assert {workload for workload in WORKLOADS if not applies(workload, "node")} == {LATENCY}
    assert {workload for workload in WORKLOADS if applies(workload, "ceiling")} == {"W1", "W2", "W3", "W6"}


def test_the_chart_is_a_picture_with_a_bar_for_each_server_as_long_as_its_figure() -> None:
    text = chart([*throughput("chatsite", 400), *throughput("node", 100)])
    picture = ET.fromstring(text)  # noqa: S314 - our own
    bars = [each for each in picture.iter("{http://www.w3.org/2000/svg}rect") if "x" in each.attrib]
    assert len(bars) == 2
    assert float(bars[0].attrib["width"]) == pytest.approx(4 * float(bars[1].attrib["width"]))
    assert "4.00 × Node" in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--servers=chatsite,nobody"], "nobody: expected some of chatsite"),
        (["--workloads=W9"], "W9: expected some of W1"),
        (["--workloads=W1,latency"], "it needs W6"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        compare.main(arguments)
    assert complaint in capsys.readouterr().err


def test_the_page_has_a_column_for_each_checkout_and_speed_and_medians_in_it() -> None:
    runs = [
        {"house": house, "throttle": throttle, "results": {"derive": derive, "join, 35: first": 80.06}}
        for house, throttle, derive in (("a", 1, 400), ("a", 4, 900), ("b", 1, 410), ("a", 1, 2000), ("a", 1, 420))
    ]
    head, rule, *lines = browser.table(runs).splitlines()
    assert head.endswith("| a, 1x | a, 4x | b, 1x |")
    assert rule == "| --- | ---: | ---: | ---: |"
    assert lines == ["| derive | 420.0 | 900.0 | 410.0 |", "| join, 35: first | 80.1 | 80.1 | 80.1 |"]
