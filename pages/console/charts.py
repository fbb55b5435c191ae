"""Charts as pictures: made by pygal, without script, with one sober look, and never the only place where a number stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pygal
from pygal.style import Style

#: Told apart by lightness too, so that they print and are seen by whoever does not see colours.
COLORS: Final = (
    "#1b5e8c",
    "#c2571a",
    "#5b7f3a",
    "#7a4b8f",
    "#8a6d1f",
    "#4d5966",
    "#a32a3c",
    "#2f8f8a",
    "#b08fc7",
    "#222b33",
)
_FONT: Final = "system-ui, 'DejaVu Sans', sans-serif"

_STYLE: Final = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#37424d",
    foreground_strong="#1b1f24",
    foreground_subtle="#c3ccd5",
    opacity="1",
    opacity_hover="1",
    transition="none",
    colors=COLORS,
    font_family=_FONT,
    label_font_family=_FONT,
    major_label_font_family=_FONT,
    value_font_family=_FONT,
    legend_font_family=_FONT,
    title_font_family=_FONT,
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
    title_font_size=15,
    value_font_size=12,
    guide_stroke_dasharray="0",
    major_guide_stroke_dasharray="0",
    guide_stroke_color="#e3e8ed",
    major_guide_stroke_color="#d3dae1",
    ci_colors=("#1b1f24",) * len(COLORS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One row of numbers. ``spans``: for each, between what it may lie."""

    name: str
    values: Sequence[float | None]
    spans: Sequence[tuple[float, float] | None] = ()


def bars(
    title: str, labels: Sequence[str], series: Sequence[Series], *, stacked: bool = False, percent: bool = False
) -> bytes:
    """Upright bars, with spans drawn where they are given."""
    kind = pygal.StackedBar if stacked else pygal.Bar
    return _drawn(kind(**_asked(title, series, percent), height=300), labels, series)


def lying_bars(title: str, labels: Sequence[str], series: Sequence[Series]) -> bytes:
    """Bars that lie, for labels that are long; the first one on top."""
    chart = pygal.HorizontalStackedBar(**_asked(title, series, percent=False), height=90 + 26 * max(1, len(labels)))
    turned = [Series(name=each.name, values=list(reversed(each.values))) for each in series]
    return _drawn(chart, list(reversed(labels)), turned)


def _asked(title: str, series: Sequence[Series], percent: bool) -> dict[str, Any]:
    return {
        "title": title,
        "style": _STYLE,
        "width": 860,
        "js": [],
        "explicit_size": True,
        "disable_xml_declaration": True,
        "no_prefix": True,
        "show_legend": len(series) > 1,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 5,
        "legend_box_size": 11,
        "margin": 12,
        "spacing": 6,
        "rounded_bars": 2,
        "include_x_axis": True,
        "min_scale": 3,
        "max_scale": 6,
        "no_data_text": "–",
        "formatter": (lambda n: f"{n:.0f} %") if percent else (lambda n: f"{n:,.0f}"),
        **({"range": (0, 100)} if percent else {}),
    }


def _drawn(chart: Any, labels: Sequence[str], series: Sequence[Series]) -> bytes:
    chart.x_labels = list(labels)
    for each in series:
        spans = each.spans or [None] * len(each.values)
        chart.add(
            each.name,
            [
                value if span is None or value is None else {"value": value, "ci": {"low": span[0], "high": span[1]}}
                for value, span in zip(each.values, spans, strict=True)
            ],
        )
    drawn: bytes = chart.render()
    return drawn
