"""What people wrote in a folder, read: workspace, network, customers, tariff book.

Each file is checked for itself here, and all against each other in ``data``. This module loads no
kernels, so that the first run of a process can load them meanwhile (``taking``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tariffs import book
from tariffs.known import names_of
from tariffs.model import Book
from tollbook import customers, network, workspace
from tollbook.customers import Customers
from tollbook.network import Network
from tollbook.run import pool
from tollbook.text import Problems
from tollbook.workspace import Workspace


@dataclass(frozen=True)
class Read:
    """Tables with all that was found wrong so far. book: None where it cannot be read at all."""

    workspace: Workspace
    network: Network
    customers: Customers
    book: Book | None
    problems: Problems


def read(folder: Path) -> Read:
    """The files of a workspace's folder; raises Refused where operator.yaml cannot be read."""
    problems = Problems()
    space = workspace.load(folder, problems)
    zone = space.operator.time_zone
    net = network.load(space.network, zone, problems)
    of_people = Problems()
    people, tariff_book = pool.beside(  # which take about as long, and know nothing of each other
        lambda: customers.load(space.customers, zone, space.numbering, of_people),
        lambda: book.load(space.tariffs, problems, names_of(space, net)),
    )
    problems.found += of_people.found
    return Read(space, net, people, tariff_book, problems)
