"""How files are read that anybody may have written, and their names: regular files only, of a bounded size, and what is
in them is refused in one line where it is not what it should be.

Nothing here runs code from a file, waits for one (a pipe, a device), or takes more than a few times its limit of
memory. What is refused is a `ValueError` of one line where only a text is known, and a `UserError` where a path is.
"""

import codecs
import csv
import io
import json
import math
import os
import re
import stat
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from reverie.errors import UserError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_Kind = TypeVar("_Kind")

MAX_TEXT = 32 * 2**20
"""Bytes of a text file, of JSON, or of a header that is JSON: Python makes up to 20 times as much of them."""
MAX_TOML = 2**16
"""Characters of a recipe: ours have 5,000."""
_MAX_CONTAINERS = 2_000_000
"""Lists and objects in a JSON text: the smallest take 30 times the room of their brackets."""
_DOTTED = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){64}")
"""A dotted key of so many parts: ours have five, and the time that TOML takes grows with the square of them."""

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})(?=/|$)")


def form_of(kind: "type[_Kind]") -> "TypeAdapter[_Kind]":
    """What makes a dataclass of values, and refuses those that it cannot be of; made once for each kind, since that
    takes ten times as long as to use it."""
    return _form_of(kind)


@cache
def _form_of(kind: type) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter  # late: pydantic takes a while to import

    return TypeAdapter(kind)


def open_regular(path: Path) -> io.BufferedReader:
    """Opens a file for reading. Raises UserError where it is missing, may not be read, or is no regular file: a pipe,
    which would be waited for, a device, a folder."""
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        handle = os.open(path, flags)
    except (OSError, ValueError) as error:  # a ValueError is a name with a zero in it
        raise unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UserError(f"cannot read {path}: it is no regular file; move it away, and restore the file from a copy")
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, limit: int) -> bytes:
    """The content of a regular file. Raises UserError as `open_regular`, and where it has more bytes than `limit`."""
    with open_regular(path) as file:
        try:
            if (size := os.fstat(file.fileno()).st_size) > limit:
                raise UserError(f"{path} has {size:,} bytes, where {limit:,} are the most: restore it from a copy")
            return file.read(limit)
        except OSError as error:
            raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> UserError:
    """What a file is refused with that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist: check the path, or restore it from a copy")
    reason = getattr(error, "strerror", None) or error
    return UserError(f"cannot read {path}: {reason}; check the path and its permissions")


def read_text(path: Path) -> str:
    """The content of a text file as an editor saved it: UTF-8, with or without a byte order mark, any line ends.

    Raises UserError where it is missing, or in another encoding.
    """
    data = read_bytes(path, MAX_TEXT)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path} is UTF-16: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"byte 0x{data[error.start]:02x} in line {line}"
        raise UserError(f"{path} is not UTF-8 ({where}): save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file; UserError where it is missing or not JSON."""
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): restore it from a copy") from error


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says. Raises ValueError where it is none, too deep, too large, or has a number that is none."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"{len(text):,} characters, where {MAX_TEXT:,} are the most")
    brackets = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if sum(text.count(bracket) for bracket in brackets) > _MAX_CONTAINERS:  # pyright: ignore[reportArgumentType]
        raise ValueError(f"more than {_MAX_CONTAINERS:,} lists and objects")
    try:
        return json.loads(text, parse_float=_finite, parse_int=_whole, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def parse_toml(text: str) -> dict[str, Any]:
    """What a TOML text says; errors as `parse_json`."""
    if len(text) > MAX_TOML:
        raise ValueError(f"{len(text):,} characters, where {MAX_TOML:,} are the most")
    if _DOTTED.search(text):
        raise ValueError("a key of 64 parts or more")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error


def parse_csv(text: str) -> dict[str, list[float]]:
    """The columns of a table of numbers with a header; a field that is empty, or no finite number, is NaN. Raises
    ValueError where it is no such table."""
    try:
        head, *rows = list(csv.reader(text.splitlines(), strict=True)) or [[]]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if len(set(head)) != len(head) or any(len(row) != len(head) for row in rows):
        raise ValueError("rows of different lengths, or columns of the same name")
    numbers = [[float(field or "nan") for field in row] for row in rows]
    columns = zip(*numbers, strict=True) if numbers else [() for _ in head]
    return {
        name: [number if math.isfinite(number) else math.nan for number in column]
        for name, column in zip(head, columns, strict=True)
    }


def read_csv(path: Path) -> dict[str, list[float]]:
    """The columns of a table of numbers (see `parse_csv`); UserError where it is missing or none."""
    text = read_text(path)
    try:
        return parse_csv(text)
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): restore it from a copy") from error


def typed_path(text: str | Path) -> Path:
    """A path as people type it: what `~` or a variable (`$HOME`, `${SCRATCH}`) says at its beginning, also in a recipe,
    or where quotes kept the shell from saying so. Elsewhere, or where it is not set, a `$` is a `$`. Raises UserError
    for what names no file on any system."""
    text = str(text)
    if "\0" in text:
        raise UserError(f"{text!r} is no path, which no zero can be in: correct it", usage=True)
    if begins := _VARIABLE.match(text):
        text = (os.environ.get(begins[1] or begins[2]) or begins[0]) + text[begins.end() :]
    try:
        return Path(text).expanduser()
    except RuntimeError:  # nobody's home
        return Path(text)


def is_inside(name: Any) -> bool:
    """Whether `name`, as a file says it, is of a file inside the folder that it is about, wherever that is read."""
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name or ":" in name:
        return False
    return not name.startswith("/") and not {"", ".", ".."} & set(name.split("/"))


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _whole(text: str) -> int:
    if len(text) > 40:  # 128 bits, of which a generator's state is made, have 39 digits
        raise ValueError(f"{text[:20]}... has {len(text):,} digits")
    return int(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
