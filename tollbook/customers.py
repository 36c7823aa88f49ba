"""The customers folder: accounts and subscriptions as columns, made for millions of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

STATUSES: Final = ("active", "suspended", "closed")
STATUS_CODE: Final = {word: code for code, word in enumerate(STATUSES)}
ACTIVE, SUSPENDED, CLOSED = range(3)
TAX_CLASSES: Final = ("standard", "exempt")


@dataclass(frozen=True)
class Accounts:
    """accounts.csv in the order of the file; same index = same row."""

    account_id: pa.Array  # utf8, unique
    name: pa.Array  # utf8
    address: pa.Array  # utf8
    language: pa.Array  # utf8, "": the operator's
    exempt: np.ndarray  # bool: tax_class is `exempt`
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


@dataclass(frozen=True)
class Subscriptions:
    """subscriptions.csv in the order of the file: one row a span of validity [from, to).

    No two rows of one number, one IMSI or one subscription overlap in time.
    """

    subscription_id: pa.Array  # utf8; several rows may carry one id
    account_index: np.ndarray  # int32 into Accounts
    number: np.ndarray  # int64, E.164 digits with country code
    imsi: np.ndarray  # int64, 0: none
    plan_index: np.ndarray  # int32 into Customers.plan_ids
    status: np.ndarray  # int8, STATUSES
    valid_from_utc_s: np.ndarray  # int64
    valid_to_utc_s: np.ndarray  # int64


@dataclass(frozen=True)
class Customers:
    """Accounts, subscriptions, and the sorted ids of all plans that subscriptions name."""

    accounts: Accounts
    subscriptions: Subscriptions
    plan_ids: tuple[str, ...]
