"""The plots in the documents: well-formed, on one scale, with every point in its place."""

from pathlib import Path
from xml.etree import ElementTree

from bench.plot import HEIGHT, LEFT, WIDTH, Chart, write

_SVG = "{http://www.w3.org/2000/svg}"


def test_a_plot_shows_every_point_where_it_belongs(tmp_path: Path) -> None:
    """Powers of ten to the right, more is higher, nothing outside the picture; one size alone is drawn too."""
    charts = [Chart("a < b", "texts", {"in": [(10, 5.0), (100, 5.0), (1000, 10.0)]}), Chart("one", "numbers", {"in": [(1, 3.0)]})]
    write(tmp_path / "plot.svg", "µs & more", "µs", charts)
    root = ElementTree.fromstring((tmp_path / "plot.svg").read_bytes())
    first, second = (
        [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in group.iter(f"{_SVG}circle")] for group in root.findall(f"{_SVG}g")
    )
    assert len(first) == 3
    assert len(second) == 1
    assert first[0][0] == LEFT
    assert abs((first[2][0] - first[1][0]) - (first[1][0] - first[0][0])) < 0.2
    assert first[0][1] == first[1][1] > first[2][1]
    assert all(0 < x <= WIDTH and 0 < y < HEIGHT for x, y in first + second)
