"""A run of several rounds as a chain of runs: what each of them is, as a pure function of the last one's recipe.

The last round is the run itself. A round is a recipe with as many rounds as there are up to it: round 2 of a run of six
is the last one of a run of three. So every round is a run like any other, which knows what comes before it.
"""

from dataclasses import replace

from reverie.run.recipe import RunConfig
from reverie.seeding import generator


def round_before(config: RunConfig) -> RunConfig | None:
    """The recipe of the round before the last one; None where there is none. It has another seed, so that nothing is
    drawn twice: tracks, noise, batches, candidates."""
    num = config.rounds.num - 1
    if not num:
        return None
    controller = config.controller
    search = controller.search
    if num == 1:  # nobody has driven yet whom its C could imitate
        search = replace(search, start=replace(search.start, imitate=False))
    shorter = {"tracks": config.rounds.finals_tracks, "halving": config.rounds.finals_halving}
    search = replace(search, finals=replace(search.finals, **{key: num for key, num in shorter.items() if num}))
    controller = replace(controller, search=search)
    if config.rounds.doubt == "last" or (config.rounds.doubt == "later" and num == 1):
        controller = replace(controller, dream=replace(controller.dream, doubt_cut=0.0, doubt_cost=0.0))
    seed = int(generator(config.seed, "round before").integers(2**31))
    return replace(config, seed=seed, controller=controller, rounds=replace(config.rounds, num=num))


def round_of(config: RunConfig, number: int) -> RunConfig:
    """The recipe of a round, counted from 0; the last one is the run's own."""
    assert 0 <= number < config.rounds.num, f"round {number} of {config.rounds.num}"
    while number < config.rounds.num - 1:
        before = round_before(config)
        assert before, "the first round has nothing before it"
        config = before
    return config


def as_round(config: RunConfig) -> RunConfig:
    """The recipe with the budgets of its last round where those of any first one stand."""
    rounds = config.rounds
    if rounds.num == 1:
        return config
    controller = replace(
        config.controller,
        search=replace(config.controller.search, generations=rounds.generations),
        imagine=replace(config.controller.imagine, steps=rounds.imagine_steps),
    )
    return replace(
        config,
        vision=replace(config.vision, epochs=rounds.vision_epochs),
        memory=replace(config.memory, steps=rounds.memory_steps, latent_noise=rounds.latent_noise),
        controller=controller,
    )
