"""The one pool of threads: results in the order of the items, a bounded number in flight.

Beside it one thread waits for the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import IO, Any, Final, TypeVar

from tollbook.run.disk import force

WAITING_MAX: Final = 64  # files that are open and wait for the disk
T = TypeVar("T")
U = TypeVar("U")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(threads: int, work: Callable[[U], T], items: Iterable[U]) -> Iterator[T]:
    """Results of ``work`` in the order of ``items``; a few items ahead are in flight.

    The number in flight is bounded, so memory does not grow with the number of items.
    """
    with _pool(threads) as pool:
        waiting: list[Future[T]] = []
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads + 1:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def beside(background: Callable[[], U], work: Callable[[], T]) -> tuple[U, T]:
    """Two pieces of work at the same time, ``background`` in a thread of its own."""
    with _pool(1) as pool:
        other = pool.submit(background)
        mine = work()
        return other.result(), mine


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tollbook")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


class Behind:
    """Forces files to the disk while those who wrote them go on: the disk keeps no core waiting.

    Nothing may be committed before ``wait`` has come back. Files beyond WAITING_MAX are waited for,
    so that the number of open files has a limit.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tollbook-disk")
        self._room = BoundedSemaphore(WAITING_MAX)
        self._forced: list[Future[None]] = []
        self._is_open = True

    def force(self, handle: IO[Any]) -> None:
        """The same as the function; may be called by several threads."""
        if not self._is_open:  # what an exception has left is closed by the garbage collector
            force(handle)
            return
        self._room.acquire()
        self._forced.append(self._pool.submit(self._force, handle))

    def wait(self) -> None:
        """Until all files are on the disk; raises what the system said of any."""
        while self._forced:
            self._forced.pop().result()

    def close(self) -> None:
        """Also of files that will never be committed, none stays open."""
        self._is_open = False
        self._pool.shutdown()

    def _force(self, handle: IO[Any]) -> None:
        try:
            force(handle)
        finally:
            self._room.release()
