"""What a recipe is made of and what it may cost, before anything is run."""

from typing import Any

import torch

from reverie.envs.registry import spec_of
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import make_vision
from reverie.run.chain import as_round, round_of
from reverie.run.recipe import RunConfig
from reverie.run.search import SearchConfig
from reverie.training.controller.finals import num_episodes, num_finalists
from reverie.training.controller.fitness import scheduled_tracks
from reverie.training.controller.forecast import final_episodes, num_evaluations


def parameter_counts(config: RunConfig) -> dict[str, int]:
    """Trained parameters of V, M and C."""
    actions = spec_of(config.env).actions
    with torch.device("meta"):
        vision = make_vision(config.vision)
        memory = Memory(config.memory.model, config.vision.net.z_size, actions.size)
    controller = Controller(config.controller.model, memory.z_size, memory.config.hidden_size, actions)
    return {
        "vision": sum(p.numel() for p in vision.parameters() if p.requires_grad),
        "memory": sum(p.numel() for p in memory.parameters()),
        "controller": controller.num_params,
    }


def budget(config: RunConfig) -> dict[str, Any]:
    """Upper bounds of all rounds together: frames are simulator steps, images what V is fitted on, timesteps what M is
    fitted on. `real_frames` are those of the ledger; what a scout costs is not among them."""
    collected, costs = 0, list[dict[str, int]]()
    for number in range(config.rounds.num):
        round_ = as_round(round_of(config, number))
        driven = _collected(round_)
        collected += driven
        costs.append(_of_round(round_, driven, collected))
    total = {key: sum(cost[key] for cost in costs) for key in costs[0]}
    search, rounds = config.controller.search, config.rounds
    selecting = 0
    if rounds.num > 1 and rounds.keep == "best":
        selecting = (min(2, rounds.num) if search.finals.world == "road" else rounds.num) * rounds.keep_tracks
    return {
        "scout": config.collect.scout,
        "rounds": rounds.num,
        **total,
        "real_frames": total["collect_frames"] + total["controller_frames"] + selecting * config.env.max_frames,
        "controller_minutes": search.minutes,
        "evaluate_tracks": config.evaluate.tracks,
    }


def _of_round(config: RunConfig, driven: int, collected: int) -> dict[str, int]:
    """Of one round that collects so many decisions itself and learns from so many in all."""
    memory, search = config.memory, config.controller.search
    road, dreamt = _learning(config)
    return {
        "collect_frames": driven * config.env.action_repeat,
        "vision_images": config.vision.epochs * collected,
        "memory_timesteps": memory.members * memory.steps * memory.fit.batch_size * memory.length,
        "controller_generations": search.generations if config.controller.learner == "search" else 0,
        "controller_frames": road * config.env.max_frames,
        "dreamt_decisions": dreamt,
    }


def _learning(config: RunConfig) -> tuple[int, int]:
    """Episodes on the road, and decisions in dreams, by which C is learned and chosen."""
    stage, search = config.controller, config.controller.search
    finals = search.finals
    if stage.learner == "imagine":
        imagined = stage.imagine.steps * stage.imagine.batch * stage.imagine.horizon
        evaluations, candidates = 1 + -(-stage.imagine.steps // stage.imagine.eval_every), 0
        last = num_episodes(num_finalists(evaluations, finals), finals)
    else:
        imagined, last = 0, final_episodes(search)
        evaluations, candidates = num_evaluations(search), search.strategy.settings.population * _tracks(search)
    if stage.world == "road":
        return candidates + evaluations * finals.eval_tracks + last, imagined
    dreams = candidates + (1 + stage.dream.judge) * evaluations * finals.eval_tracks
    looks = evaluations * stage.dream.road_tracks
    road, dreams = (looks + last, dreams) if finals.world == "road" else (looks, dreams + last)
    return road, dreams * stage.dream.decisions + imagined


def _collected(config: RunConfig) -> int:
    """Decisions that a round collects itself."""
    env, collect, rounds = config.env, config.collect, config.rounds
    limit = -(-env.max_frames // env.action_repeat)
    laps, num = (rounds.laps, rounds.episodes) if rounds.num > 1 else (0, collect.episodes)
    by_agent = config.by_agent(num)
    random = (num - by_agent) * min(collect.steps, limit)
    return laps * limit + random + by_agent * min(collect.agent_steps or collect.steps, limit)


def _tracks(search: SearchConfig) -> int:
    """Tracks that a candidate of each generation drives, all generations together, if they are as many as may be."""
    tracks = search.tracks
    if tracks.signal_to_noise:
        return search.generations * max(tracks.num, tracks.max)
    return sum(scheduled_tracks(tracks, generation) for generation in range(search.generations))
