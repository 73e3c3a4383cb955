"""A score as `reverie evaluate` keeps it; tests say what is different with `dataclasses.replace`."""

from reverie.measure.score import Evaluation

EVALUATION = Evaluation(
    run="x",
    env_id="CarRacing-v3",
    renderer="gymnasium",
    num_tracks=3,
    first_seed=1,
    mean=300.0,
    std=100.0,
    ci95=(51.6, 548.4),
    returns=(200.0, 300.0, 400.0),
    num_finished=0,
    frames=3000,
    decisions=750,
    seconds=1.0,
)
