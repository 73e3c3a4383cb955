"""What there is to know of CarRacing."""

from reverie.actions import Categories, SteerGasBrake
from reverie.envs.config import EnvConfig
from reverie.envs.picture import Picture
from reverie.envs.spec import EnvSpec, Mirror
from reverie.types import LargestReturn

PICTURE = Picture(shape=(96, 96, 3), rows=84)
"""The rows below hold the indicator panel."""
REWARD_SCALE = 10.0
"""A tile of road gives 3 to 4, leaving the field costs 100."""
NUM_CATEGORIES = 5
"""With `env.kwargs.continuous = false`: nothing, right, left, gas, brake."""

CONTINUOUS_MIRROR = Mirror(order=(0, 1, 2), signs=(-1, 1, 1))
CATEGORIES_MIRROR = Mirror(order=(0, 2, 1, 3, 4), signs=(1, 1, 1, 1, 1))


def spec(config: EnvConfig) -> EnvSpec:
    """The world, as `config` asks for it."""
    continuous = config.kwargs.get("continuous", True)
    return EnvSpec(
        picture=PICTURE,
        actions=SteerGasBrake() if continuous else Categories(sizes=(NUM_CATEGORIES,), first=(0,)),
        frames_per_second=50.0,
        progress="positive_reward" if config.progress == "auto" else config.progress,  # a tile of road was reached
        mirror=CONTINUOUS_MIRROR if continuous else CATEGORIES_MIRROR,
        largest_return=LargestReturn(total=1000.0, frame_cost=0.1),
        reward_scale=REWARD_SCALE,
        return_range=(-100.0, 1000.0),
        solved=900.0,
        render_modes=("human", "rgb_array"),
        in_paper=True,
    )
