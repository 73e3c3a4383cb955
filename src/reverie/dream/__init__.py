"""M as a world of its own: what it expects when it no longer sees.

Importing this package registers `reverie/Dream-v0` with Gymnasium (names and strings, nothing is loaded), so
`gymnasium.make("reverie.dream:reverie/Dream-v0", run="pretrained")` works without an import of its own.
"""

import gymnasium

DREAM_ID = "reverie/Dream-v0"

if DREAM_ID not in gymnasium.registry:
    gymnasium.register(
        id=DREAM_ID,
        entry_point="reverie.dream.env:DreamEnv",
        vector_entry_point="reverie.dream.vector_env:DreamVectorEnv",
    )
