"""The page's track generator, in WebAssembly, against ours (which tests/envs holds against Gymnasium's)."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gymnasium.utils import seeding
from numpy.typing import NDArray
from tests.web.built import HERE, ROAD_JS, ROAD_WASM, needs_road

from reverie.envs.car_racing.track import DRAW_HIGH, DRAW_LOW, make_edges, make_track

Road = tuple[NDArray[np.float64], NDArray[np.int8]]
"""Edges (n, 4) and kerbs (n)."""

SEEDS = [*range(396), 2**31, 2**32 - 1, 2**32 + 5, 2**53 - 1]


@needs_road
def test_tracks_are_ours_to_the_last_bit_of_a_polygon(tmp_path: Path):
    made = list(_tracks_in_node(SEEDS, tmp_path / "tracks"))
    expected = [_track(seed) for seed in SEEDS]
    assert len({edges.tobytes() for edges, _ in expected}) == len(SEEDS) == 400
    for seed, (edges, kerbs), (edges_here, kerbs_here) in zip(SEEDS, made, expected, strict=True):
        assert edges.shape == edges_here.shape, f"track {seed}"
        # Box2D's polygons are in single precision; the last bit of double precision is the C library's own
        assert edges.astype(np.float32).tobytes() == edges_here.astype(np.float32).tobytes(), f"track {seed}"
        np.testing.assert_allclose(edges, edges_here, rtol=0, atol=1e-11)
        np.testing.assert_array_equal(kerbs, kerbs_here, f"track {seed}")


def _track(seed: int) -> Road:
    rng, _ = seeding.np_random(seed)
    while not len((track := make_track(rng.uniform(DRAW_LOW, DRAW_HIGH))).points):
        pass
    edges, kerbs = np.empty((len(track.points), 4)), np.empty(len(track.points), np.int8)
    make_edges(track.points, track.kerb, edges, kerbs)
    return edges, kerbs


def _tracks_in_node(seeds: list[int], out: Path) -> Iterator[Road]:
    subprocess.run(["node", HERE / "road_tracks.js", ROAD_JS, ROAD_WASM, out, *map(str, seeds)], check=True)
    data, at = out.read_bytes(), 0
    while at < len(data):
        n = int.from_bytes(data[at : at + 4], "little")
        at += 4
        edges = np.frombuffer(data, np.float64, 4 * n, at).reshape(n, 4)
        at += edges.nbytes
        yield edges, np.frombuffer(data, np.int8, n, at)
        at += n
