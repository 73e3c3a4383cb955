"""Who computes for a server: one thread, so that tabs take turns, and an environment is only touched where it was
made."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

from reverie.devices import one_thread

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Worker:
    """One thread that does one thing after the other, while the server goes on listening."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reverie-web")
        self._libraries = ThreadpoolController()

    async def do(self, what: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """What comes of `what`, once its turn has come; it is done also where nobody waits any more."""

        def steadily() -> _R:
            with one_thread(self._libraries):
                return what(*args, **kwargs)

        return await asyncio.shield(asyncio.wrap_future(self._thread.submit(steadily)))

    def end(self) -> None:
        """Waits for what it is at; what has not begun is not done."""
        self._thread.shutdown(cancel_futures=True)
