"""A small operator for tests: three customers and call records, all written out by hand.

The network and the tariffs are those of the sample operator. On plan ``easy`` a local call costs
0.60 for each minute begun, a message 0.15; ``standard`` differs and has a rent.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import nights

from tollbook import sample
from tollbook.run import audit, session

ANN, BOB, CAT = "+8613010000001", "+8613010000002", "+8613010000003"
NOBODY = "+8613010000099"  # an own number that no customer has
FRIEND = "+8613530000007"  # a customer of Great River in the same city
ACCOUNTS = """account_id,name,address
A-1,Ann,1 Renmin Road
A-2,Bob,2 Renmin Road
A-3,Cat,3 Renmin Road
"""
SUBSCRIPTIONS = f"""subscription_id,account_id,number,imsi,plan,status,valid_from,valid_to
S-1,A-1,{ANN},,easy,active,2002-01-01,
S-2,A-2,{BOB},,easy,active,2002-01-01,
S-3,A-3,{CAT},,standard,active,2002-01-01,
"""
MORNING = "2003-06-11T02:00:00"  # when nights run, unless told otherwise
ZONE = nights.ZONE


@dataclass(frozen=True)
class Call:
    """A row of a file of msc-east; a local call of a minute unless told otherwise."""

    served: str = ANN
    other: str = FRIEND
    start: str = "2003-06-10T10:00:00+08:00"
    duration: int | str = 60
    service: str = "voice"
    direction: str = "out"
    events: int = 0
    location: str = "460-97-1000-16385"
    trunk_in: str = ""
    trunk_out: str = ""
    call_ref: str = ""
    sequence: int = 0
    cause: int = 0

    @property
    def line(self) -> str:
        return ",".join(str(getattr(self, one.name)) for one in fields(self))


HEADER = ",".join(one.name for one in fields(Call))


def make(root: Path) -> Path:
    """The workspace, with an empty inbox."""
    sample.write_sample(root, 1)
    (root / "customers" / "accounts.csv").write_text(ACCOUNTS)
    (root / "customers" / "subscriptions.csv").write_text(SUBSCRIPTIONS)
    return root


def add_subscription(root: Path, row: str) -> None:
    """One more row of subscriptions.csv."""
    path = root / "customers" / "subscriptions.csv"
    path.write_text(path.read_text() + row + "\n")


def name(number: int) -> str:
    """The name that msc-east gives to its n-th file."""
    return f"MSCE_{number:06d}_200306110000.csv"


def text(*calls: Call) -> bytes:
    """A file's bytes."""
    return "".join(f"{line}\n" for line in (HEADER, *(call.line for call in calls))).encode()


def deliver(root: Path, file_name: str | int, *calls: Call, source: str = "msc-east") -> Path:
    """Put a file of these calls into the inbox (``file_name``: or its number)."""
    path = root / "inbox" / source / (name(file_name) if isinstance(file_name, int) else file_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text(*calls))
    return path


def moment(local: str) -> int:
    """A local time of the operator as UTC seconds."""
    return int(datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(ZONE)).timestamp())


def run(root: Path, as_of: str = MORNING, threads: int = 2) -> nights.Outcome:
    """One night."""
    return nights.run(root, moment(as_of), threads)


def audited(root: Path) -> None:
    """The books of the workspace close."""
    work = session.open_session(root)
    found = audit.audit(work)
    work.catalogue.engine.dispose()
    assert found.findings == ()


@dataclass
class Lake:
    """What readers find in a workspace's lake."""

    root: Path
    fates: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        work = session.open_session(self.root)
        names = {file.file_number: file.name for file in work.catalogue.files()}
        work.catalogue.engine.dispose()
        for dataset in ("rated", "suspense", "pending", "uncharged"):
            why = "'rated'" if dataset == "rated" else "reason"
            for record, reason in self.rows(dataset, f"record_id, {why}"):
                key = names[record >> 32], record & 0xFFFFFFFF
                assert key not in self.fates, f"{key} is there twice"
                self.fates[key] = reason

    def rows(self, dataset: str, columns: str, *, where: str = "true") -> list[tuple]:
        """Rows of a dataset by record id; none if nobody has written any."""
        if not any((self.root / "lake" / dataset).rglob("*.parquet")):
            return []
        files = f"read_parquet('{self.root}/lake/{dataset}/**/*.parquet')"
        with duckdb.connect() as link:
            query = f"select {columns} from {files} where {where} order by record_id"
            return link.sql(query).fetchall()

    @property
    def charges(self) -> dict[int, str]:
        """record id -> charge."""
        return {record: f"{charge:f}" for record, charge in self.rows("rated", "record_id, charge")}
