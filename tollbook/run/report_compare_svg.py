"""A picture of changes: lying bars about a middle line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tollbook.run.report_svg import THIN, WIDTH, svg

_LABELS: Final = 190  # width that lying bars leave for what they are called
_FIGURES: Final = 190  # and for the figure behind them
_ROW: Final = 26


@dataclass(frozen=True)
class Change:
    """A lying bar to the left (below zero) or the right. text: the figure as it is shown."""

    label: str
    value: int
    text: str
    title: str


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
        x, shade = (middle, "more") if line.value > 0 else (middle - width, "less")
        end, kind = (x + width + 8, "") if line.value >= 0 else (x - 8, "right")
        parts.append(
            f'<g><title>{escape(line.title)}</title>'
            f'<text class="strong" x="0" y="{y + 17}">{escape(_short(line.label, _LABELS))}</text>'
            f'<rect class="{shade}" x="{x:.1f}" y="{y + 6}" width="{width:.1f}" height="14" '
            f'rx="2"/><text class="soft {kind}" x="{end:.1f}" y="{y + 17}">{escape(line.text)}'
            "</text></g>"
        )
    return svg("".join(parts), _ROW * len(lines) + 4, name)
