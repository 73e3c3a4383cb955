"""Writes scores.h, the pictures of all scores from -500 to 1000, in Gymnasium's font: `python scores.py FILE`.

Most columns of 12 pixels stand in many pictures: each is kept once.
"""

import sys
from pathlib import Path

from reverie.envs.car_racing.glyphs import SIZE, score_picture

LOWEST, HIGHEST = -500, 1000


def header() -> str:
    """The arrays: columns (c, 12) and, for each score and minus nought last, its columns' numbers (n, 12)."""
    texts = [f"{score:04.0f}" for score in range(LOWEST, HIGHEST + 1)] + [f"{-0.0:04.0f}"]
    columns: dict[tuple[int, ...], int] = {}
    pictures = [
        [columns.setdefault(tuple(picture[:, x].tolist()), len(columns)) for x in range(SIZE)]
        for picture in map(score_picture, texts)
    ]
    return "\n".join(
        [
            "// Made by scores.py.",
            f"constexpr int kLowestScore = {LOWEST}, kHighestScore = {HIGHEST}, kScoreSide = {SIZE};",
            f"constexpr uint8_t kScoreColumns[][kScoreSide] = {_rows(columns)};",
            f"constexpr uint16_t kScores[][kScoreSide] = {_rows(pictures)};",
            "",
        ]
    )


def _rows(rows) -> str:
    return "{" + ",\n".join("{" + ",".join(map(str, row)) + "}" for row in rows) + "}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(header())
