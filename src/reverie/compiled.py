"""numba's compiler, whose machine code is kept on disk where that can be done: never is a missing cache an error.

numba itself refuses to decorate a function when it finds no folder to write to (a package that belongs to another user,
and no home), and lets a full disk end the call that compiles. It also takes settings from a file in the folder where a
command is run, which may be somebody else's: one of them says where machine code is read from, as a pickle, and another
which module is imported to find it. And it goes by the file of the function alone that is called: it would go on with
code that was compiled from older functions behind it, or with older numbers of another package.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from reverie import working_folder

with working_folder.without(".numba_config.yaml"):  # which may be a pipe
    import numba
    from numba.core import config
    from numba.core.caching import FunctionCache
    from numba.core.ccallback import CFunc
    from numba.core.sigutils import normalize_signature

_SETTINGS: Any = config
_SETTINGS._config_fname = os.devnull  # no file: what that of the working folder said is forgotten
_SETTINGS.reload_config()


def compiled(*, kept: bool = False, nogil: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Decorates a function for numba, by default without the GIL. `kept`: its machine code stays on disk for other
    processes; for functions that Python calls, since those that they call are compiled into them."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher: Any = numba.njit(nogil=nogil)(function)
        if kept and (cache := _cache(function)):
            dispatcher._cache = cache  # what numba's `cache=True` does, with a cache that may fail
        return dispatcher

    return decorate


_FOR_EVER: list[Any] = []


class Callback:
    """A function for C to call, by its address; it is compiled when that is first asked for, and its machine code stays
    on disk."""

    def __init__(self, function: Callable[..., Any], signature: Any) -> None:
        self.function, self._signature = function, signature

    @functools.cached_property
    def address(self) -> int:
        """For as long as the process lives."""
        function: Any = CFunc(self.function, normalize_signature(self._signature), {}, {})
        if cache := _cache(self.function):
            function._cache = cache
        function.compile()
        _FOR_EVER.append(function)  # another thread may have been first: who has its address keeps it
        return function.address


def called_from_c(signature: Any) -> Callable[[Callable[..., Any]], Callback]:
    """Decorates a function for numba that C calls with these types."""
    return lambda function: Callback(function, signature)


class _Cache(FunctionCache):
    """numba's, but for a disk that fails or is full: then the code is compiled anew, or not kept; and for whatever the
    function is compiled with."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), compiled_with(self._py_func))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            return super().load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


def compiled_with(function: Callable[..., Any]) -> str:
    """A checksum of a function's code, and of all that it names, as it is now: numbers, arrays, and in the same way the
    compiled functions that it calls."""
    digest, seen, waiting = hashlib.sha256(), set[int](), [(function.__code__, function.__globals__)]
    while waiting:
        code, known = waiting.pop()
        if id(code) in seen:
            continue
        seen.add(id(code))
        digest.update(code.co_code)
        named = [known[name] for name in code.co_names if name in known]
        modules = [value for value in named if isinstance(value, ModuleType)]
        named += [getattr(module, name) for module in modules for name in code.co_names if hasattr(module, name)]
        for value in (*code.co_consts, *named):
            inner: Any = getattr(value, "py_func", None) or getattr(value, "_defn", None)  # numba has it so
            if isinstance(value, CodeType):
                waiting.append((value, known))
            elif isinstance(getattr(inner, "__code__", None), CodeType):
                waiting.append((inner.__code__, inner.__globals__))
            elif isinstance(value, np.ndarray):
                digest.update(f"{value.dtype} {value.shape}\n".encode() + value.tobytes())
            elif isinstance(value, (bool, int, float, complex, str, tuple, np.generic)):
                digest.update(f"{value!r}\n".encode())
    return digest.hexdigest()


def _cache(function: Callable[..., Any]) -> _Cache | None:
    """Where numba keeps it (NUMBA_CACHE_DIR, beside the module, in the user's cache), else in a temporary folder, else
    None."""
    with contextlib.suppress(RuntimeError, OSError):
        return _Cache(function)
    with contextlib.suppress(RuntimeError, OSError), _numba_looks_in(_temporary_folder()):
        return _Cache(function)
    return None


@contextlib.contextmanager
def _numba_looks_in(folder: Path) -> Iterator[None]:
    before, _SETTINGS.CACHE_DIR = _SETTINGS.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        _SETTINGS.CACHE_DIR = before


def _temporary_folder() -> Path:
    """One that all processes of this user share, and nobody else can write to, since code is read from it. Raises
    OSError where somebody else was there first."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"reverie-numba-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if hasattr(os, "getuid") and (
        not stat.S_ISDIR(found.st_mode) or found.st_uid != user or stat.S_IMODE(found.st_mode) & 0o022
    ):
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder
