"""What a recipe is made of and what it may cost, before anything is run."""

from typing import Any

import torch

from reverie.envs.registry import action_size
from reverie.models.controller import Controller
from reverie.models.mdn_rnn import Memory
from reverie.models.vision import make_vision
from reverie.run.recipe import RunConfig


def parameter_counts(config: RunConfig) -> dict[str, int]:
    """Trained parameters of V, M and C."""
    with torch.device("meta"):
        vision = make_vision(config.vision)
        memory = Memory(config.memory.model, config.vision.net.z_size, action_size(config.env))
    controller = Controller(config.controller.model, memory.z_size, memory.config.hidden_size)
    return {
        "vision": sum(p.numel() for p in vision.parameters() if p.requires_grad),
        "memory": sum(p.numel() for p in memory.parameters()),
        "controller": controller.num_params,
    }


def budget(config: RunConfig) -> dict[str, Any]:
    """Upper bounds: frames are simulator steps, images what V is fitted on, timesteps what M is fitted on."""
    env, collect, memory, stage = config.env, config.collect, config.memory, config.controller
    limit = -(-env.max_frames // env.action_repeat)
    by_agent = collect.by_agent(collect.episodes)
    collected = (collect.episodes - by_agent) * min(collect.steps, limit)
    collected += by_agent * min(collect.agent_steps or collect.steps, limit)
    tracks = map(stage.num_tracks, range(stage.generations))
    driven = stage.generations * max(stage.tracks, stage.max_tracks) if stage.signal_to_noise else sum(tracks)
    evaluations = stage.generations // stage.eval_every * stage.eval_tracks
    evaluations += (stage.finalists + (stage.finalists if stage.average else 1)) * stage.final_tracks
    episodes = stage.settings.population * driven + evaluations
    return {
        "scout": collect.scout,
        "collect_frames": collected * env.action_repeat,
        "vision_images": config.vision.epochs * collected,
        "memory_timesteps": memory.members * memory.steps * memory.fit.batch_size * memory.length,
        "controller_generations": stage.generations,
        "controller_frames": episodes * env.max_frames,
        "controller_minutes": stage.minutes,
        "evaluate_tracks": config.evaluate.tracks,
    }
