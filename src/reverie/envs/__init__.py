"""Environments: CarRacing with Gymnasium's physics and a fast rasteriser, and any other Gymnasium pixel environment.

Importing this package registers `reverie/CarRacing-v3` with Gymnasium (a name and a string, nothing is loaded), so
`gymnasium.make("reverie.envs:reverie/CarRacing-v3")` works without an import of its own.
"""

from reverie.envs.config import EnvConfig
from reverie.envs.registry import make_env, make_vector_env, register, spec_of
from reverie.envs.spec import EnvSpec
from reverie.envs.vector import Start, Transition, VectorEnv

__all__ = [
    "EnvConfig",
    "EnvSpec",
    "Start",
    "Transition",
    "VectorEnv",
    "make_env",
    "make_vector_env",
    "register",
    "spec_of",
]

register()
