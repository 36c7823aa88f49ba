"""IMSIs of subscriptions, for records of switches that write none."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow.compute as pc

from tollbook.customers import Subscriptions
from tollbook.run.session import Session


class Imsis:
    """What customers/subscriptions.csv says in the snapshot of a run; read when first asked for."""

    def __init__(self, session: Session, run_number: int) -> None:
        self._session, self._run_number = session, run_number

    def of(self, subscription_id: str, utc_s: int) -> int:
        """The IMSI that a subscription had at an instant; 0: none."""
        known = self._subscriptions
        rows = np.flatnonzero(pc.equal(known.subscription_id, subscription_id))
        then = rows[
            (known.valid_from_utc_s[rows] <= utc_s) & (utc_s < known.valid_to_utc_s[rows])
        ]
        return int(known.imsi[then[0]]) if len(then) else 0

    @cached_property
    def _subscriptions(self) -> Subscriptions:
        from tollbook.run import work  # kernels, which few looks need

        snapshot = self._session.catalogue.run(self._run_number).snapshot
        return work.compiled(self._session, snapshot).data.customers.subscriptions
