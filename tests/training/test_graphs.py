"""What a recorded step reads, as far as a machine without a GPU can tell; the rest is in `test_cuda.py`."""

import torch

from reverie.seeding import torch_generator
from reverie.training.graphs import parts_of, refill
from reverie.types import SequenceBatch


def test_frames_and_the_seed_of_their_noise() -> None:
    static, new = ((torch.full((2, 3), i), torch_generator(0, "noise", i)) for i in range(2))
    place = static[0]
    torch.rand(5, generator=static[1])
    refill(static, new)
    assert place.tolist() == new[0].tolist()
    expected = torch.rand(9, generator=torch_generator(0, "noise", 1)).tolist()
    assert torch.rand(9, generator=static[1]).tolist() == expected


def test_all_parts_of_a_batch_of_sequences() -> None:
    static, new = (
        SequenceBatch(
            z=torch.full((1, 3, 2), i + 0.1),
            act=torch.full((1, 2, 3), i + 0.2),
            rew=torch.full((1, 2), i + 0.3),
            prev_rew=torch.full((1, 2), i + 0.4),
            end=torch.full((1, 2), i + 0.5),
            mask=torch.full((1, 2), i + 0.6),
        )
        for i in range(2)
    )
    places = parts_of(static)
    refill(static, new)
    assert [place.tolist() for place in places] == [part.tolist() for part in parts_of(new)]
