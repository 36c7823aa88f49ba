"""The one pool of threads: results in the order of the items, a bounded number in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


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
