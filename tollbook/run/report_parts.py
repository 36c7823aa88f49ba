"""What reports are put together from: the page, its sections, tables and tiles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from tollbook.money import format_micro
from tollbook.run.report_style import CSS


def write(path: Path, text: str) -> Path:
    """Writes a page; the file appears whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_text(text, encoding="utf-8")
    os.replace(hidden, path)
    return path


def document(title: str, body: Iterable[str], footer: str) -> str:
    """A whole page that needs nothing else. title: escaped here, like the footer."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head><body><main>{''.join(body)}"
        f"<footer>{escape(footer)}</footer></main></body></html>\n"
    )


def amount(amount_micro: int, digits: int) -> str:
    """``1234567.5`` as ``1,234,567.50``: exact, with at least so many digits."""
    text = format_micro(amount_micro, digits)
    whole, point, rest = text.partition(".")
    sign, figures = ("−", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(figures):,}{point}{rest}"


def tiles(pairs: Iterable[tuple[str, str]]) -> str:
    """The figures to be seen first: (figure, what it is)."""
    cells = (f'<div class="tile"><b>{_small_fraction(value)}</b><span>{escape(what)}</span></div>'
             for value, what in pairs)  # fmt: skip
    return f'<div class="tiles">{"".join(cells)}</div>'


def _small_fraction(figure: str) -> str:
    whole, point, fraction = figure.partition(".")
    return f"{whole}<small>{point}{fraction}</small>" if point else whole


def section(title: str, about: str, inner: str, kind: str = "") -> str:
    """title, about and inner are HTML."""
    return f'<section class="{kind}"><h2>{title}</h2><p>{about}</p>{inner}</section>'


def table(
    header: Sequence[str], lines: Sequence[Sequence[str]], foot: Sequence[str], words: int
) -> str:
    """A table whose first ``words`` columns hold words and whose others hold figures."""
    figure = ' class="n"'

    def row(cells: Sequence[str], tag: str) -> str:
        parts = (
            f"<{tag}{'' if place < words else figure}>{escape(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(parts)}</tr>"

    body = "".join(row(line, "td") for line in lines)
    end = f"<tfoot>{row(foot, 'td')}</tfoot>" if foot else ""
    return f"<table><thead>{row(header, 'th')}</thead><tbody>{body}</tbody>{end}</table>"
