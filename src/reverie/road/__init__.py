"""The real world as a run's agent meets it: what V sees and M remembers, decision by decision.

Importing this package registers `reverie/Road-v0` with Gymnasium (names and strings, nothing is loaded), so
`gymnasium.make("reverie.road:reverie/Road-v0", run="pretrained")` works without an import of its own. It has the
spaces of `reverie/Dream-v0`: who has learned in the one can drive in the other.
"""

import gymnasium

ROAD_ID = "reverie/Road-v0"

if ROAD_ID not in gymnasium.registry:
    gymnasium.register(id=ROAD_ID, entry_point="reverie.road.env:RoadEnv")
