"""log.csv of a learner: a row for every generation or for some steps, for people and their spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverie import writing


def write_log(path: Path, history: Sequence[Mapping[str, Any]], order: Sequence[str]) -> None:
    """Replaces the file at `path` by the rows of `history`, if there are any."""
    if history:
        with writing.write_atomically(path) as file:
            file.write(as_csv(history, order))


def as_csv(history: Sequence[Mapping[str, Any]], order: Sequence[str]) -> bytes:
    """The rows of `history`: the columns in `order` first, then what else a row has, by name. (The rows of a state that
    was loaded have lost the order in which they were made.)"""
    names = history[-1].keys()
    columns = [*(name for name in order if name in names), *sorted(names - {*order})]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(history)
    return text.getvalue().encode()
