"""A small operator whose plans remember, for tests of whole nights: ``calls`` with allowances.

On plan ``easy``: 3 minutes a month for each line, of which 2 more months may use what is left; two
messages; a pool of five minutes for the group of the served number; at most 2.00 for toll; at
least 10 minutes a day counted. Ann and Bob are in one group, so their accounts share a pool.
"""

from __future__ import annotations

from pathlib import Path

import calls

ITEMS = """
allowances:
  - {name: minutes, amount: 3min, when: {service: voice}, covers: airtime, increment: 60s,
     prorate: {by: days}, rollover: {limit: 2min, periods: 2}}
  - {name: messages, amount: 2 events, when: {service: sms}, owner: account, period: day}
  - {name: shared, amount: 5min, when: {service: voice}, covers: airtime, owner: group,
     priority: 1, per_member: yes}
caps:
  - {name: toll, amount: 2.00, covers: toll}
counters:
  - {name: voice, measure: seconds, when: {service: voice}, owner: account, period: once}
"""
GROUPS = f"""group,number,valid_from,valid_to
club,{calls.ANN},2002-01-01,
club,{calls.BOB},2003-06-05,
"""


def remember(root: Path, items: str = ITEMS, groups: str = GROUPS) -> Path:
    """A workspace of the sample operator, with items on plan ``easy`` and a group."""
    plan = root / "tariffs" / "easy.yaml"
    plan.write_text(plan.read_text() + items)
    (root / "customers" / "groups.csv").write_text(groups)
    return root
