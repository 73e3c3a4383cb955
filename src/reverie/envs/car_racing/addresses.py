"""Box2D's memory and functions, for compiled code that reads, writes and calls them by their addresses."""

import ctypes
import functools
from typing import Any

import Box2D
import numpy as np
from llvmlite import ir
from numba import carray, types  # pyright: ignore[reportPrivateImportUsage] (numba's documented name)
from numba.core import cgutils, config
from numba.extending import intrinsic

from reverie.compiled import compiled

_library: Any = Box2D._Box2D  # pyright: ignore[reportAttributeAccessIssue] (its compiled part)
_BOX2D = "2.3."  # of which all places in memory are
_ROOM = 128  # numbers that a view by address has: more than any object's

TABLE_BEFORE = 2
"""Words that lie before a class's table of functions (its vtable), about the class."""


@functools.cache
def function(symbol: str) -> int:
    """The address of a function of Box2D's by its C++ name; 0 where there is none, where Box2D is not one whose
    memory we know, or where nothing is compiled."""
    off = config.DISABLE_JIT  # pyright: ignore[reportAttributeAccessIssue] (numba sets it as it is imported)
    if off or not Box2D.__version__.startswith(_BOX2D):
        return 0
    try:
        found = ctypes.CDLL(_library.__file__)[symbol]
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(found, ctypes.c_void_p).value or 0


def functions_of(address: int, num: int) -> list[int]:
    """The table of the object at an address, from what lies before its `num` functions on."""
    first = ctypes.c_int64.from_address(address).value - 8 * TABLE_BEFORE
    return list((ctypes.c_int64 * (TABLE_BEFORE + num)).from_address(first))


@intrinsic
def pointer(typingctx: Any, address: Any) -> Any:  # noqa: ARG001 (numba's signature)
    """An address as a pointer."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001 (numba's signature)
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@intrinsic
def call(typingctx: Any, function: Any, a: Any, b: Any) -> Any:  # noqa: ARG001 (numba's signature)
    """Calls the function at an address with two others."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001 (numba's signature)
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word, word])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def call_step(typingctx: Any, function: Any, world: Any, seconds: Any, rounds: Any, more: Any) -> Any:  # noqa: ARG001
    """Calls b2World::Step, which is at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001 (numba's signature)
        kind = ir.FunctionType(ir.VoidType(), [arg.type for arg in args[1:]])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.float32, types.int32, types.int32), codegen


@compiled()
def words(address):
    """Numbers of eight bytes from an address on."""
    return carray(pointer(address), _ROOM, np.int64)  # pyright: ignore[reportCallIssue] (numba gives the context)


@compiled()
def ints(address):
    """Numbers of four bytes from an address on."""
    return carray(pointer(address), _ROOM, np.int32)  # pyright: ignore[reportCallIssue] (as above)


@compiled()
def floats(address):
    """Numbers of single precision from an address on."""
    return carray(pointer(address), _ROOM, np.float32)  # pyright: ignore[reportCallIssue] (as above)
