"""What a user is told."""

from pathlib import Path

import pytest

from reverie.errors import LONGEST, UserError
from reverie.reading import read_csv


def test_a_message_says_where_and_what_to_do_however_much_it_quotes(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"a,b\n1,{'[' * 10**5}\n")
    with pytest.raises(UserError) as caught:
        read_csv(path)
    told = str(caught.value)
    assert LONGEST <= len(told) <= LONGEST + 10
    assert told.startswith(f"{path} is damaged (")
    assert told.endswith("restore it from a copy")


def test_a_message_of_the_usual_length_is_whole() -> None:
    assert str(UserError("x" * LONGEST)) == "x" * LONGEST
