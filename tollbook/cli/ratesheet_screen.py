"""What the import of a rate sheet shows: the guess, repairs, problems and changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tollbook.cli.common import count, table

if TYPE_CHECKING:
    from tariffs.ratesheet_guess import Guess
    from tariffs.ratesheet_import import Imported
    from tariffs.ratesheet_merge import Change
    from tariffs.ratesheet_notes import Findings

LISTED_MAX: Final = 20  # repairs of one kind, and rows passed over; --json lists all
INCREASES_SHOWN: Final = 10
_SETTINGS: Final = (
    "sheet", "kind", "effective", "date_order", "end_date", "decimal", "currency", "per",
    "increments", "code_commas", "carry_down", "notice_days", "jump_times", "price_max",
)  # fmt: skip


def guess_screen(guess: Guess) -> str:
    """The guessed mapping with sample values, for a person to confirm."""
    from tariffs.ratesheet_mapping import FIELDS
    from tariffs.ratesheet_notes import shown

    mapping, header = guess.mapping, guess.located.header
    rows = [
        (name, shown(mapping.columns[name]),
         " | ".join(shown(cell[:40]) for cell in guess.samples(name)), FIELDS[name])
        for name in FIELDS if name in mapping.columns
    ]  # fmt: skip
    settings = [(key, value or "(not said)", guess.why.get(key, ""))
                for key, value in guess_settings(guess).items()]  # fmt: skip
    line = header.line if header else 0
    parts = [
        f"Guessed from {guess.located.sheet.how}; headings in line {line}:\n",
        table(("field", "column", "samples", "meaning"), rows),
        "", table(("setting", "value", "why"), settings),
    ]  # fmt: skip
    if guess.unused:
        parts += ["", f"not read: {', '.join(map(shown, guess.unused))}"]
    return "\n".join(parts)


def guess_settings(guess: Guess) -> dict[str, str]:
    """The settings of a guessed mapping as texts."""
    from tollbook.money import format_nano

    found = {}
    for key in _SETTINGS:
        value = getattr(guess.mapping, f"{key}_nano" if key == "price_max" else key)
        if key == "price_max":
            value = format_nano(value, 0)
        found[key] = ", ".join(value) if isinstance(value, tuple) else str(value)
    return found


def findings_screen(findings: Findings) -> str:
    """Rows passed over and repairs, one by one and counted."""
    parts = []
    if findings.passed_over:
        parts.append(f"{count(len(findings.passed_over), 'row')} passed over:")
        parts += [f"  {findings.file}:{one.line}: {one.kind}: {one.text}"
                  for one in findings.passed_over[:LISTED_MAX]]  # fmt: skip
        parts += _more(len(findings.passed_over))
    kinds = Counter(one.kind for one in findings.repairs)
    for kind, times in sorted(kinds.items()):
        parts.append(f"{count(times, 'repair')}: {kind}")
        own = (one for one in findings.repairs if one.kind == kind)
        parts += [f"  {findings.file}:{one.line}: '{one.found}' -> {one.became}"
                  for one, _ in zip(own, range(LISTED_MAX), strict=False)]  # fmt: skip
        parts += _more(times)
    return "\n".join(parts)


def _more(times: int) -> list[str]:
    return [f"  and {times - LISTED_MAX:,} more: --json lists all"] if times > LISTED_MAX else []


def result_screen(imported: Imported) -> str:
    """The summary of the changes and the greatest increases."""
    from tariffs.ratesheet_checks import counts, greatest_increases

    sheet, merged = imported.located.sheet, imported.merged
    codes = len({offer.prefix for offer in imported.offers.rows})
    numbers = ", ".join(f"{number:,} {kind}" for kind, number in counts(merged).items())
    of_day = f", of {imported.effective}" if imported.effective else ""
    parts = [
        f"{sheet.how}{of_day}: {count(imported.offers.row_count, 'row')}, {count(codes, 'code')}",
        f"changes: {numbers}",
    ]
    rises = greatest_increases(merged.changes, INCREASES_SHOWN)
    if rises:
        rows = [_rise_row(one) for one in rises]
        parts += ["", "greatest increases:",
                  table(("code", "destination", "from", "old", "new", "change"), rows, "345")]
    return "\n".join(parts)


def _rise_row(change: Change) -> tuple[str, ...]:
    from tariffs.ratesheet_checks import percent
    from tariffs.ratesheet_notes import shown
    from tollbook.money import format_nano

    was, now = change.before, change.after
    assert was is not None  # a rise has two prices
    assert now is not None
    return (change.prefix, shown(now.destination[:40]), change.day, format_nano(was.price_nano),
            format_nano(now.price_nano), percent(change) or "from 0")  # fmt: skip


def as_dict(
    findings: Findings, guess: Guess | None, imported: Imported | None, written: str
) -> dict[str, Any]:
    """The same for programs; ``written`` is the deck, ``""`` if nothing was written."""
    return {
        "file": findings.file,
        "mapping": None if guess is None else {
            "columns": dict(guess.mapping.columns),
            "settings": guess_settings(guess),
            "samples": {name: guess.samples(name) for name in guess.mapping.columns},
            "not_read": guess.unused,
        },
        "errors": findings.errors,
        "warnings": findings.flags,
        "problems": [
            {"file": p.file, "line": p.line, "severity": p.severity, "found": p.found,
             "allowed": p.allowed, "do": p.do}
            for p in sorted(findings.problems.found)
        ],
        "repairs": [one._asdict() for one in findings.repairs],
        "passed_over": [one._asdict() for one in findings.passed_over],
        "result": None if imported is None else _result(imported),
        "written": written or None,
    }  # fmt: skip


def _result(imported: Imported) -> dict[str, Any]:
    from tariffs.ratesheet_checks import (
        REPORT_COLUMNS,
        counts,
        greatest_increases,
        report_rows,
    )

    def rows(changes: Any) -> list[dict[str, str]]:
        return [dict(zip(REPORT_COLUMNS, row, strict=True)) for row in report_rows(changes)]

    changes = imported.merged.changes
    return {
        "how": imported.located.sheet.how,
        "effective": imported.effective,
        "rows": imported.offers.row_count,
        "codes": len({offer.prefix for offer in imported.offers.rows}),
        "counts": counts(imported.merged),
        "greatest_increases": rows(greatest_increases(changes, INCREASES_SHOWN)),
    }
