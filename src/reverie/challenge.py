"""Ways to show a world otherwise than an agent has learned it. What is measured so is another score."""

from typing import Literal, TypeAlias

Challenge: TypeAlias = Literal["colour", "colour3", "bars", "blob", "noise", "frames"]

IN_WORDS: dict[Challenge, str] = {
    "colour": "road and field brighter or darker",
    "colour3": "road and field in other colours",
    "bars": "black bars left and right",
    "blob": "a red blob beside the car",
    "noise": "noise for the ground",
    "frames": "half of the frames lost",
}
