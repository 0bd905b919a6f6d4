"""Line plots as SVG, for the documents: a few lines of our own instead of a dependency."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 380, 250
LEFT, TOP, RIGHT, BOTTOM = 52, 44, 34, 40
_COLOURS = ("#1f6feb", "#b35900")


@dataclass(frozen=True, slots=True)
class Chart:
    """What one plot shows: lines by name, each a row of (x, y); x is drawn by powers of ten."""

    title: str
    x_label: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def write(path: Path, caption: str, y_label: str, charts: Sequence[Chart]) -> None:
    """Draw charts beside each other, on one scale of y, which begins at 0."""
    top = max(y for chart in charts for line in chart.lines.values() for _, y in line) * 1.15
    box = f'viewBox="0 0 {WIDTH * len(charts)} {HEIGHT + 22}" font-family="sans-serif" font-size="11" role="img" aria-label="{escape(caption)}"'
    pieces = [f'<svg xmlns="http://www.w3.org/2000/svg" {box}><rect width="100%" height="100%" fill="#ffffff"/>']
    for number, chart in enumerate(charts):
        pieces.append(f'<g transform="translate({number * WIDTH} 0)">{_chart(chart, y_label, top)}</g>')
    pieces.append(f'<text x="{LEFT}" y="{HEIGHT + 14}" fill="#555555">{escape(caption)}</text></svg>\n')
    path.write_text("\n".join(pieces), encoding="utf-8")


def _chart(chart: Chart, y_label: str, top: float) -> str:
    points = [x for line in chart.lines.values() for x, _ in line]
    low, high = math.log10(min(points)), math.log10(max(points))
    wide, high_px = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(x: float) -> float:
        return round(LEFT + (math.log10(x) - low) / ((high - low) or 1) * wide, 1)

    def up(y: float) -> float:
        return round(HEIGHT - BOTTOM - y / top * high_px, 1)

    pieces = [f'<text x="{LEFT}" y="18" font-size="13" font-weight="bold">{escape(chart.title)}</text>']
    pieces.append(f'<text x="{LEFT}" y="33" fill="#555555">{escape(y_label)}</text>')
    for step in range(5):
        y = top * step / 4
        pieces.append(
            f'<path d="M{LEFT} {up(y)}H{WIDTH - RIGHT}" stroke="#dddddd"/><text x="{LEFT - 6}" y="{up(y) + 4}" text-anchor="end">{y:.0f}</text>'
        )
    pieces.extend(f'<text x="{across(x)}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{x:,.0f}</text>' for x in sorted(set(points)))
    pieces.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle" fill="#555555">{escape(chart.x_label)}</text>')
    for (name, line), colour in zip(chart.lines.items(), _COLOURS, strict=False):
        path = "L".join(f"{across(x)} {up(y)}" for x, y in line)
        dots = "".join(f'<circle cx="{across(x)}" cy="{up(y)}" r="3"/>' for x, y in line)
        x, y = line[-1]
        pieces.append(
            f'<g fill="{colour}"><path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
            f'<text x="{across(x)}" y="{up(y) - 8}" text-anchor="end">{escape(name)}</text></g>'
        )
    return "".join(pieces)
