"""What a recipe is made of and what it may cost, before anything is run."""

from typing import Any

import torch

from reverie.envs.registry import spec_of
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import make_vision
from reverie.run.recipe import RunConfig
from reverie.run.search import SearchConfig
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
    """Upper bounds: frames are simulator steps, images what V is fitted on, timesteps what M is fitted on."""
    env, collect, memory, search = config.env, config.collect, config.memory, config.controller.search
    limit = -(-env.max_frames // env.action_repeat)
    by_agent = collect.by_agent(collect.episodes)
    collected = (collect.episodes - by_agent) * min(collect.steps, limit)
    collected += by_agent * min(collect.agent_steps or collect.steps, limit)
    evaluations = num_evaluations(search) * search.finals.eval_tracks + final_episodes(search)
    episodes = search.strategy.settings.population * _tracks(search) + evaluations
    return {
        "scout": collect.scout,
        "collect_frames": collected * env.action_repeat,
        "vision_images": config.vision.epochs * collected,
        "memory_timesteps": memory.members * memory.steps * memory.fit.batch_size * memory.length,
        "controller_generations": search.generations,
        "controller_frames": episodes * env.max_frames,
        "controller_minutes": search.minutes,
        "evaluate_tracks": config.evaluate.tracks,
    }


def _tracks(search: SearchConfig) -> int:
    """Tracks that a candidate of each generation drives, all generations together, if they are as many as may be."""
    tracks = search.tracks
    if tracks.signal_to_noise:
        return search.generations * max(tracks.num, tracks.max)
    return sum(scheduled_tracks(tracks, generation) for generation in range(search.generations))
