"""Draws the medians of the throughput as bars, one panel a workload, as SVG. Knows no page that shows it."""

from collections.abc import Sequence
from html import escape

from bench.figures import Spread, rounded, times
from bench.report import THROUGHPUT, spreads
from bench.runs import REFERENCE, Run
from bench.servers import TITLES

WIDTH, LABELS, BARS, ROW, PANEL_GAP, MARGIN = 860, 290, 400, 22, 44, 16
INK, PALE, OWN, OTHER = "#1f2328", "#59636e", "#1a7f37", "#8c959f"


def chart(runs: Sequence[Run]) -> str:
    """The whole picture. The range of the repeats is a line over the end of a bar."""
    panels: list[str] = []
    top = MARGIN
    for column in THROUGHPUT:
        by_server = spreads(runs, column)
        if column.compared and by_server:
            panels.append(_panel(column.title, by_server, top))
            top += ROW * (len(by_server) + 1) + PANEL_GAP
    height = top - PANEL_GAP + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(title: str, by_server: dict[str, Spread], top: int) -> str:
    most = max(each.high for each in by_server.values())
    reference = by_server.get(REFERENCE)
    lines = [f'<text x="{MARGIN}" y="{top + 14}" font-weight="600">{escape(title)}</text>']
    servers = [name for name in TITLES if name in by_server]
    for row, server in enumerate(servers, start=1):
        ratio = times(by_server[server].median, reference.median) if reference else ""
        lines += _bar(server, by_server[server], ratio, most, top + row * ROW)
    return "\n".join(lines)


def _bar(server: str, each: Spread, ratio: str, most: float, top: int) -> list[str]:
    left = MARGIN + LABELS

    def at(value: float) -> float:
        return round(left + BARS * value / most, 1)

    middle = top + ROW / 2
    colour = OWN if server.startswith("chatsite") else OTHER
    width = round(at(each.median) - left, 1)
    note = f"{rounded(each.median)}" + (f", {ratio} × Node" if ratio and server != REFERENCE else "")
    return [
        f'<text x="{left - 8}" y="{middle + 4}" text-anchor="end">{escape(TITLES[server])}</text>',
        f'<rect x="{left}" y="{top + 4}" width="{width}" height="{ROW - 8}" fill="{colour}"/>',
        f'<path d="M{at(each.low)} {middle}H{at(each.high)}" stroke="{INK}" stroke-width="1.5"/>',
        f'<text x="{at(each.high) + 6}" y="{middle + 4}" fill="{PALE}">{escape(note)}</text>',
    ]
