"""Tables of reports that show at a glance where figures fall and rise: shaded cells, small bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from tariffs.diff_decks import percent_text

SAME: Final = "c0"
_LEVELS: Final = (10, 50, 100, 200, 500)  # per mille of change: where a stronger shade begins
_DECIMAL_BELOW: Final = 100  # per mille; what is more is told without a decimal where room is small


@dataclass(frozen=True)
class Cell:
    """A figure. small: below it; kind: classes of the style; title: told under the pointer; share:
    per mille of its column, drawn behind it; -1: nothing is."""

    text: str
    small: str = ""
    kind: str = ""
    title: str = ""
    share: int = -1


@dataclass(frozen=True)
class Column:
    """One of a matrix. share: per mille of the tallest bar; text: below it; title: of the bar."""

    label: str
    share: int
    title: str
    text: str = ""


def shade(new: int, old: int) -> str:
    """The class that says how much a figure has fallen (d1 to d6) or risen (u1 to u6)."""
    if new == old:
        return ""
    if old <= 0:
        return f"u{len(_LEVELS) + 1}" if new > old else f"d{len(_LEVELS) + 1}"
    return level(1000 * abs(new - old) // old, new > old)


def level(per_mille: int, is_more: bool) -> str:
    """The class of a change of so much."""
    return f"{'u' if is_more else 'd'}{1 + sum(abs(per_mille) >= one for one in _LEVELS)}"


def percent(new: int, old: int) -> str:
    """``−2.6 %``; "" where nothing changes, or nothing was there."""
    if not old or new == old:
        return ""
    return percent_text(new - old, old).replace("-", "−")


def percent_short(new: int, old: int) -> str:
    """``−2.6``, ``+14``: where room is small."""
    text = percent(new, old).removesuffix(" %")
    return text.partition(".")[0] if 1000 * abs(new - old) >= _DECIMAL_BELOW * abs(old) else text


def table(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], foot: Sequence[Cell] = (), alike: int = 0
) -> str:
    """A table of which the first column holds words. alike: so many of the last columns have one
    width, and titles that may be long."""
    kinds = ["", *["n"] * (len(header) - 1 - alike), *["n b"] * alike]
    head = "".join(f"<th{_kind(kind)}>{escape(name)}</th>"
                   for kind, name in zip(kinds, header, strict=True))  # fmt: skip
    body = "".join(_row(row) for row in rows)
    end = f"<tfoot>{_row(foot)}</tfoot>" if foot else ""
    return (f'<div class="wide"><table class="heat"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody>{end}</table></div>")  # fmt: skip


def _row(cells: Sequence[Cell]) -> str:
    return f"<tr>{''.join(_cell(one, place > 0) for place, one in enumerate(cells))}</tr>"


def _cell(one: Cell, is_figure: bool) -> str:
    kind = " ".join(["n"] * is_figure + [one.kind] * bool(one.kind) + ["s"] * (one.share >= 0))
    title = f' title="{escape(one.title)}"' if one.title else ""
    style = f' style="--s:{one.share // 10}.{one.share % 10}%"' if one.share >= 0 else ""
    small = f"<small>{escape(one.small)}</small>" if one.small else ""
    return f"<td{_kind(kind)}{title}{style}>{escape(one.text)}{small}</td>"


def _kind(words: str) -> str:
    return f' class="{words}"' if words else ""


def matrix(
    what: str, columns: Sequence[Column], rows: Iterable[tuple[str, Sequence[Cell]]]
) -> str:
    """Bars side by side, and below each of them a cell of every row. what: the bars are of."""
    bars = "".join(f'<td title="{escape(one.title)}"><i style="height:{one.share // 10}.'
                   f'{one.share % 10}%"></i></td>' for one in columns)  # fmt: skip
    names = "".join(f"<td>{escape(one.label)}{_below(one.text)}</td>" for one in columns)
    body = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(_cell(one, False) for one in cells)}</tr>"
        for name, cells in rows
    )
    return (f'<div class="wide"><table class="matrix"><tbody><tr class="bars"><th>{escape(what)}'
            f'</th>{bars}</tr><tr class="names"><th></th>{names}</tr>{body}</tbody></table></div>')


def _below(text: str) -> str:
    return f"<small>{escape(text)}</small>" if text else ""


def split(parts: Iterable[tuple[int, str, str]]) -> str:
    """One bar of which each part is as long as its number: (number, class, what it says)."""
    cells = (f'<i class="{kind}" style="flex:{number} 0 0" title="{escape(title)}"></i>'
             for number, kind, title in parts if number)  # fmt: skip
    return f'<div class="split">{"".join(cells)}</div>'


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """What shades mean: (class, words)."""
    cells = (f'<span><i class="{kind}"></i>{escape(words)}</span>' for kind, words in entries)
    return f'<div class="legend">{"".join(cells)}</div>'
