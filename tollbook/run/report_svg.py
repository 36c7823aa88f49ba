"""Pictures of reports as inline SVG: the flow of records, and bars. Colours come from the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 1000
SHADES: Final = 5  # classes c1 (strongest) to c5; c0 is neutral
THIN: Final = 2.0  # what is there is drawn at least this thick, in units of the picture
NODE: Final = 12  # width of the uprights of a flow
TALL: Final = 300  # height of all records of a flow


@dataclass(frozen=True)
class Flow:
    """Records by where they came from and what became of them, and money by what it is for.

    rows: (source, fate) -> records. paid_fate: the fate from which the money comes. money: what ->
    (parts, text); parts share out the height of the paid fate, the text is what is shown.
    """

    rows: Mapping[tuple[str, str], int]
    fates: Sequence[str]  # in the order in which they stand
    paid_fate: str
    money: Mapping[str, tuple[int, str]]


@dataclass
class _Node:
    top: float
    height: float
    used_left: float = 0.0  # of its height, by bands that arrive
    used_right: float = 0.0

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


def flow(figures: Flow) -> str:
    """Sources, fates and money as columns of a flow picture; heights of records are in scale."""
    total = max(1, sum(figures.rows.values()))
    sources = _sums(figures.rows, 0)
    found = _sums(figures.rows, 1)
    fates = {fate: found[fate] for fate in figures.fates if found.get(fate)}
    left = _stack({name: TALL * rows / total for name, rows in sources.items()}, 30)
    middle = _stack({name: TALL * rows / total for name, rows in fates.items()}, 26)
    paid = middle.get(figures.paid_fate)
    shares = max(1, sum(max(0, part) for part, _ in figures.money.values()))
    of_paid = paid.height if paid else 0.0
    right = _stack(
        {name: of_paid * max(0, part) / shares for name, (part, _) in figures.money.items()}, 26
    )
    if paid:
        # The money stands level with the records that it comes from; other fates make room.
        over = max(0.0, (_bottom(right) - _bottom({"": paid})) / 2)
        _move([node for node in middle.values() if node is not paid], 2 * over)
        _move([paid], over)
    bottom = max(_bottom(column) for column in (left, middle, right))
    _move(left.values(), (bottom - _bottom(left)) / 2)
    parts = [_bands(figures, left, middle, right, total)]
    parts += [_node(170, node, "c1") + _label(160, node, name, f"{sources[name]:,}", "right")
              for name, node in left.items()]  # fmt: skip
    for name, node in middle.items():
        share = f"{fates[name]:,} · {100 * fates[name] / total:.2f} %"
        parts.append(_node(500, node, "c1" if name == figures.paid_fate else "c0"))
        # At its upper end, where the widest band of money leaves: it stands on one colour there.
        upper = _Node(node.top, min(node.height, 48))
        parts.append(_label(522, upper, name.replace("_", " "), share, ""))
    for name, node in right.items():
        parts.append(_node(818, node, "c1"))
        parts.append(_label(840, node, name, figures.money[name][1], ""))
    return svg("".join(parts), bottom + 6, "Flow of the month's records", "flow")


def _sums(rows: Mapping[tuple[str, str], int], key: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for names, count in rows.items():
        sums[names[key]] = sums.get(names[key], 0) + count
    return sums


def _stack(heights: Mapping[str, float], gap: int) -> dict[str, _Node]:
    """Nodes under each other; thin ones stand far enough apart for their labels."""
    nodes, top = {}, 6.0
    for name, height in heights.items():
        nodes[name] = _Node(top, max(THIN, height))
        top += max(nodes[name].height + gap / 2, gap + THIN)
    return nodes


def _move(nodes: Iterable[_Node], down: float) -> None:
    for node in nodes:
        node.top += down


def _bottom(nodes: Mapping[str, _Node]) -> float:
    return max((node.top + node.height + 8 for node in nodes.values()), default=0.0)


def _bands(
    figures: Flow,
    left: Mapping[str, _Node],
    middle: Mapping[str, _Node],
    right: Mapping[str, _Node],
    total: int,
) -> str:
    parts = []
    for fate, end in middle.items():
        for source, begin in left.items():
            rows = figures.rows.get((source, fate), 0)
            if rows:
                height = max(0.8, TALL * rows / total)
                shade = "c2" if fate == figures.paid_fate else "c0"
                title = f"{source} → {fate}: {rows:,}"
                parts.append(_band((182, begin), (500, end), height, shade, title))
    paid = middle.get(figures.paid_fate)
    if paid is not None:
        for name, end in right.items():
            title = f"{name}: {figures.money[name][1]}"
            parts.append(_band((500 + NODE, paid), (818, end), end.height, "c3", title))
    return f'<g class="flow">{"".join(parts)}</g>'


def _band(
    begin: tuple[float, _Node], end: tuple[float, _Node], height: float, shade: str, title: str
) -> str:
    (x1, one), (x2, two) = begin, end
    y1 = one.top + min(one.used_right, max(0.0, one.height - height))
    y2 = two.top + min(two.used_left, max(0.0, two.height - height))
    one.used_right += height
    two.used_left += height
    half = (x1 + x2) / 2
    path = (
        f"M{x1:.1f} {y1:.1f}C{half:.1f} {y1:.1f} {half:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        f"V{y2 + height:.1f}C{half:.1f} {y2 + height:.1f} {half:.1f} {y1 + height:.1f} "
        f"{x1:.1f} {y1 + height:.1f}Z"
    )
    return f'<path class="{shade}" d="{path}"><title>{escape(title)}</title></path>'


def _node(x: float, node: _Node, shade: str) -> str:
    return (f'<rect class="{shade}" x="{x}" y="{node.top:.1f}" width="{NODE}" '
            f'height="{node.height:.1f}" rx="2"/>')  # fmt: skip


def _label(x: float, node: _Node, name: str, figure: str, kind: str) -> str:
    """Two lines beside a tall node, one beside a thin one."""
    name, figure = escape(name), escape(figure)
    if node.height < 34:
        return (f'<text class="{kind}" x="{x}" y="{node.middle + 4:.1f}"><tspan class="strong">'
                f'{name}</tspan><tspan class="soft" dx="8">{figure}</tspan></text>')  # fmt: skip
    return (
        f'<text class="strong {kind}" x="{x}" y="{node.middle - 3:.1f}">{name}</text>'
        f'<text class="soft {kind}" x="{x}" y="{node.middle + 14:.1f}">{figure}</text>'
    )


@dataclass(frozen=True)
class Bar:
    """One bar: its parts from the bottom up (value, class of colour), and what it says."""

    label: str
    parts: Sequence[tuple[int, str]]
    title: str

    @property
    def value(self) -> int:
        return sum(part for part, _ in self.parts)


def columns(
    bars: Sequence[Bar],
    unit: int,
    name: str,
    height: int = 210,
    mark: int | None = None,
) -> str:
    """Upright bars with an axis; ``unit``: how many of the values make one on the axis.

    mark: a value at which a dashed line is drawn.
    """
    steps = ticks(max([bar.value for bar in bars] + [mark or 0]), unit)
    top = max(steps[-1] * unit, 1)
    left = 16 + 8 * len(f"{steps[-1]:,}")
    pitch = (WIDTH - left) / max(1, len(bars))
    parts = []
    for step in steps:
        y = 10 + height * (1 - step * unit / top)
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text class="axis right" x="{left - 8}" y="{y + 4:.1f}">{step:,}</text>')
    thick = min(34.0, pitch * 0.72)
    for index, bar in enumerate(bars):
        x = left + pitch * index + (pitch - thick) / 2
        parts.append(_column(bar, x, thick, height / top, 10 + height))
        parts.append(f'<text class="axis middle" x="{x + thick / 2:.1f}" y="{height + 28}">'
                     f"{escape(bar.label)}</text>")  # fmt: skip
    if mark is not None:
        y = 10 + height * (1 - mark / top)
        parts.append(f'<line class="mark" x1="{left}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
    return svg("".join(parts), height + 34, name)


def _column(bar: Bar, x: float, thick: float, scale: float, floor: float) -> str:
    parts, y = [], floor
    for value, shade in bar.parts:
        if value > 0:
            y -= value * scale
            parts.append(f'<rect class="{shade}" x="{x:.1f}" y="{y:.2f}" width="{thick:.1f}" '
                         f'height="{value * scale:.2f}"/>')  # fmt: skip
    return f"<g><title>{escape(bar.title)}</title>{''.join(parts)}</g>"


def rows(bars: Sequence[tuple[str, int, str]], name: str) -> str:
    """Lying bars: label, value, and a note in small under the label."""
    longest = max([value for _, value, _ in bars], default=1) or 1
    parts = []
    for index, (label, value, note) in enumerate(bars):
        y = 41 * index
        width = max(THIN, 870 * value / longest)
        parts.append(
            f'<text class="strong" x="0" y="{y + 13}">{escape(label)}'
            f'<tspan class="soft" dx="10" font-weight="400">{escape(note)}</tspan></text>'
            f'<rect class="c2" x="0" y="{y + 20}" width="{width:.1f}" height="11" rx="2"/>'
            f'<text x="{width + 9:.1f}" y="{y + 30}">{value:,}</text>'
        )
    return svg("".join(parts), 41 * len(bars) - 6, name)


def ticks(highest: int, unit: int) -> list[int]:
    """Four to six round steps of ``unit`` from 0 that reach ``highest``."""
    whole = -(-highest // unit)
    step = 1
    while step * 5 < whole:
        # 1, 2, 5, 10, 20, 50 ...
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return [step * index for index in range(max(1, -(-whole // step)) + 1)]


def swatch(shade: str) -> str:
    """The little square of a legend."""
    return (f'<svg viewBox="0 0 11 11" aria-hidden="true"><rect class="{shade}" '
            'width="11" height="11" rx="2"/></svg>')  # fmt: skip


def svg(inner: str, height: float, name: str, kind: str = "chart") -> str:
    """A picture of the page's width; ``name`` is read to those who cannot see it."""
    return (f'<div class="wide"><svg class="{kind}-picture" role="img" aria-label="{escape(name)}" '
            f'viewBox="0 0 {WIDTH} {height:.0f}">{inner}</svg></div>')  # fmt: skip
