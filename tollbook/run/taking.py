"""Taking a snapshot of what people wrote, of a book under which the balances of the lake go on.

A process's first run loads the kernels while it reads the files: this module itself loads none.
"""

from __future__ import annotations

from tollbook.run import memory, pool, reading, snapshots
from tollbook.run.progress import Progress
from tollbook.run.session import Session


def take_snapshot(session: Session) -> snapshots.Snapshot:
    """A snapshot of the workspace, read and compiled.

    Raises Refused, and leaves nothing behind, where it does not compile or where it drops a balance
    that somebody still has.
    """
    def check(taken: snapshots.Snapshot) -> None:
        read = None
        if session.kept is None:
            memory.set_up()
            _, read = pool.beside(
                lambda: _load_kernels(session.progress), lambda: reading.read(taken.folder)
            )
        from tollbook.run import standing_balances, work

        ready = work.compiled(session, taken.digest, read)
        standing_balances.check(session, ready.book.memory)

    return snapshots.take_checked(session.root, session.lake, check)


def _load_kernels(progress: Progress) -> None:
    from tollbook.run import work

    work.wake_kernels(progress)
