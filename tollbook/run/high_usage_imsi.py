"""IMSIs of subscriptions, for records of switches that write none."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa

from tollbook.customers import Subscriptions
from tollbook.run.session import Session


class Imsis:
    """What customers/subscriptions.csv says in the snapshot of a run; read when first asked for."""

    def __init__(self, session: Session, run_number: int) -> None:
        self._session, self._run_number = session, run_number

    def of(self, subscription_id: str, utc_s: int) -> int:
        """The IMSI that a subscription had at an instant; 0: none."""
        known = self._subscriptions
        for row in self._rows.get(subscription_id, ()):
            if known.valid_from_utc_s[row] <= utc_s < known.valid_to_utc_s[row]:
                return int(known.imsi[row])
        return 0

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        """The rows of each subscription that has an IMSI at any time."""
        found: dict[str, list[int]] = {}
        rows = np.flatnonzero(self._subscriptions.imsi)
        ids = self._subscriptions.subscription_id.take(pa.array(rows))
        for subscription_id, row in zip(ids.to_pylist(), rows.tolist(), strict=True):
            found.setdefault(subscription_id, []).append(row)
        return found

    @cached_property
    def _subscriptions(self) -> Subscriptions:
        from tollbook.run import work  # kernels, which few looks need

        snapshot = self._session.catalogue.run(self._run_number).snapshot
        return work.compiled(self._session, snapshot).data.customers.subscriptions
