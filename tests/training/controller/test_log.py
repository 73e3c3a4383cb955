"""log.csv keeps the order of its columns, whatever became of that of its rows."""

from reverie.training.controller.log import write_log


def test_columns_stand_in_their_order_and_others_after_them(tmp_path):
    path = tmp_path / "log.csv"
    write_log(path, [], ("b", "a"))
    assert not path.exists()
    write_log(path, [{"a": 1, "y": 5, "b": 2, "x": None}], ("b", "never", "a"))
    assert path.read_text() == "b,a,x,y\n2,1,,5\n"
