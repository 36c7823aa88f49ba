"""Pictures that set several figures side by side: bars in groups, and changes about a middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tollbook.run.report_svg import THIN, WIDTH, svg, ticks

_LABELS: Final = 190  # width that lying bars leave for what they are called
_FIGURES: Final = 190  # and for the figure behind them
_ROW: Final = 26


@dataclass(frozen=True)
class Group:
    """Bars that belong together: (value, class of colour, what it says)."""

    label: str
    bars: Sequence[tuple[int, str, str]]


@dataclass(frozen=True)
class Change:
    """A lying bar to the left (below zero) or the right. text: the figure as it is shown."""

    label: str
    value: int
    text: str
    title: str


def grouped(groups: Sequence[Group], unit: int, name: str, height: int = 220) -> str:
    """Upright bars in groups with an axis; ``unit``: how many of the values make one on it."""
    steps = ticks(max([value for one in groups for value, _, _ in one.bars] + [0]), unit)
    top = max(steps[-1] * unit, 1)
    left = 16 + 8 * len(f"{steps[-1]:,}")
    pitch = (WIDTH - left) / max(1, len(groups))
    parts = []
    for step in steps:
        y = 10 + height * (1 - step * unit / top)
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text class="axis right" x="{left - 8}" y="{y + 4:.1f}">{step:,}</text>')
    for index, group in enumerate(groups):
        thick = min(26.0, pitch * 0.8 / max(1, len(group.bars)))
        begin = left + pitch * (index + 0.5) - thick * len(group.bars) / 2
        for place, (value, shade, title) in enumerate(group.bars):
            tall = height * max(0, value) / top
            parts.append(
                f'<rect class="{shade}" x="{begin + thick * place:.1f}" '
                f'y="{10 + height - tall:.2f}" width="{thick * 0.92:.1f}" height="{tall:.2f}">'
                f"<title>{escape(title)}</title></rect>"
            )
        parts.append(f'<text class="axis middle" x="{left + pitch * (index + 0.5):.1f}" '
                     f'y="{height + 28}">{escape(_short(group.label, pitch))}</text>')
    return svg("".join(parts), height + 34, name)


def _short(label: str, room: float) -> str:
    """A label that does not run into the next one."""
    letters = max(2, int(room / 6.6))
    return label if len(label) <= letters else f"{label[: letters - 1]}…"


def changes(lines: Sequence[Change], name: str) -> str:
    """Lying bars about a middle line: what falls to the left, what rises to the right."""
    longest = max([abs(line.value) for line in lines] + [1])
    half = (WIDTH - _LABELS - 2 * _FIGURES) / 2
    middle = _LABELS + _FIGURES + half
    parts = [f'<line class="grid" x1="{middle:.1f}" x2="{middle:.1f}" y1="0" '
             f'y2="{_ROW * len(lines)}"/>']  # fmt: skip
    for index, line in enumerate(lines):
        y = _ROW * index
        width = max(THIN, half * abs(line.value) / longest) if line.value else 0.0
        x, shade = (middle, "c1") if line.value > 0 else (middle - width, "c3")
        end, kind = (x + width + 8, "") if line.value >= 0 else (x - 8, "right")
        parts.append(
            f'<g><title>{escape(line.title)}</title>'
            f'<text class="strong" x="0" y="{y + 17}">{escape(_short(line.label, _LABELS))}</text>'
            f'<rect class="{shade}" x="{x:.1f}" y="{y + 6}" width="{width:.1f}" height="14" '
            f'rx="2"/><text class="soft {kind}" x="{end:.1f}" y="{y + 17}">{escape(line.text)}'
            "</text></g>"
        )
    return svg("".join(parts), _ROW * len(lines) + 4, name)
