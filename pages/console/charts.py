"""Charts as pictures: made by pygal, without script, with one sober look, and never the only place where a number stands."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pygal
from pygal.etree import etree
from pygal.style import Style

# pygal leaves a finder of a kind that Python 3.12 dropped (pygal/__init__.py, for plugins called pygal_something, of which there
# are none here): with it in place every later import warns.
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PluginImportFixer"]

#: Told apart by lightness too, so that they print and are seen by whoever does not see colours.
BLUE: Final = "#1b5e8c"
ORANGE: Final = "#c2571a"
RED: Final = "#a32a3c"
GREEN: Final = "#5b7f3a"
PURPLE: Final = "#7a4b8f"
TEAL: Final = "#2f8f8a"
COLORS: Final = (BLUE, ORANGE, GREEN, PURPLE, TEAL, RED)
_FONT: Final = "system-ui, 'DejaVu Sans', sans-serif"


def _style(colors: Sequence[str]) -> Style:
    return Style(
        background="#ffffff",
        plot_background="#ffffff",
        foreground="#37424d",
        foreground_strong="#1b1f24",
        foreground_subtle="#c3ccd5",
        opacity="1",
        opacity_hover="1",
        transition="none",
        colors=tuple(colors),
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
        ci_colors=("#1b1f24",) * len(colors),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One row of numbers. ``spans``: for each, between what it may lie. ``color``: one of the above where it means something."""

    name: str
    color: str | None = None
    values: Sequence[float | None]
    spans: Sequence[tuple[float, float] | None] = ()


def bars(
    title: str | None, labels: Sequence[str], series: Sequence[Series], *, stacked: bool = False, percent: bool = False
) -> bytes:
    """Upright bars, with spans drawn where they are given."""
    kind = pygal.StackedBar if stacked else pygal.Bar
    return _drawn(kind(**_asked(title, series, percent), height=300), labels, series)


def lying_bars(title: str | None, labels: Sequence[str], series: Sequence[Series]) -> bytes:
    """Bars that lie, for labels that are long; the first one on top."""
    chart = pygal.HorizontalStackedBar(**_asked(title, series, percent=False), height=90 + 26 * max(1, len(labels)))
    turned = [Series(name=each.name, color=each.color, values=list(reversed(each.values))) for each in series]
    return _drawn(chart, list(reversed(labels)), turned)


def _asked(title: str | None, series: Sequence[Series], percent: bool) -> dict[str, Any]:
    return {
        "title": title,
        "style": _style([each.color or COLORS[n % len(COLORS)] for n, each in enumerate(series)] or COLORS),
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
        "margin_bottom": 34 if len(series) > 1 else 12,
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
    tree = chart.render_tree()
    # It carries its settings along in a script, for one that makes tooltips: pictures here have none.
    for parent in list(tree.iter()):
        for child in list(parent):
            if isinstance(child.tag, str) and child.tag.rpartition("}")[2] == "script":
                parent.remove(child)
    drawn: bytes = etree.tostring(tree, encoding="utf-8")
    return drawn
