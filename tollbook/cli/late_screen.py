"""What became of the accounts with late records, of plans with ``late: rerate``, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from tollbook.cli.common import count

if TYPE_CHECKING:
    from tollbook.run.rerate_late import Group
    from tollbook.run.session import Session

_HEAD: Final = "late records of plans with `late: rerate`:"
_SHOWN_MAX: Final = 5  # accounts of a group that was refused, by name


def due_accounts(work: Session) -> int:
    """How many accounts wait to be rated again."""
    if not work.catalogue.is_any_late():  # loads nothing that computes
        return 0
    from tollbook.run import late

    return len({one.account_id for one in late.due(work.catalogue)})


def noted(accounts: int) -> str:
    """Accounts that wait to be rated again."""
    them = "it" if accounts == 1 else "them"
    return (f"{_HEAD} {count(accounts, 'account')} noted; `tollbook rerate --late`, or the next "
            f"`tollbook run`, rates {them} again in order")  # fmt: skip


def as_dict(groups: Sequence[Group], accounts_due: int) -> dict[str, Any]:
    """The groups for programs. accounts_due: how many wait now."""
    from tollbook.cli import rerate_screen
    from tollbook.clock import period_text

    return {
        "rerated": [rerate_screen.as_dict(one.done) for one in groups if one.done is not None],
        "not_rerated": [
            {"period": period_text(one.period), "accounts": list(one.accounts),
             "why": one.why_not} for one in groups if one.done is None
        ],
        "due_accounts": accounts_due,
    }  # fmt: skip


def screen(groups: Sequence[Group], dry_run: bool = False) -> str:
    """The groups for people: those that were rated again, then those that were refused."""
    from tollbook.cli import rerate_screen

    lines = []
    for one in groups:
        if one.done is not None:
            again = "would be rated again in order" if dry_run else "rated again in order"
            lines.append(f"{_HEAD} {_accounts(one, again)}")
            lines.append(rerate_screen.screen(one.done, dry_run))
    refused = [one for one in groups if one.done is None]
    if not refused:
        return "\n".join(lines)
    lines += [f"{_HEAD} {_accounts(one, 'not rated again')}: {_some(one)}" for one in refused]
    lines += dict.fromkeys(one.why_not for one in refused)
    lines.append("nothing of theirs was changed; `tollbook rerate --late`, or the next `tollbook "
                 "run`, tries it again")  # fmt: skip
    return "\n".join(lines)


def _accounts(group: Group, what: str) -> str:
    from tollbook.clock import period_text

    done = group.done
    names = group.accounts if done is None else {one.account_id for one in done.late}
    return f"{count(len(names), 'account')} {what} from {period_text(group.period)} on"


def _some(group: Group) -> str:
    from tollbook.errors import printable

    more = len(group.accounts) - _SHOWN_MAX
    names = [printable(name) for name in group.accounts[:_SHOWN_MAX]]
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")
