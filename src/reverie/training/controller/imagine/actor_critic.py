"""One step of learning: dreams with the actor at the wheel, and the gradients of actor and critic.

After Hafner et al. 2023 (DreamerV3), sections "Critic learning" and "Actor learning".

Shapes: b dreams, t decisions, f features of the critic, o outputs of C.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from reverie import dynamo
from reverie.devices import is_asynchronous
from reverie.dream.ensemble import DoubtConfig, Member
from reverie.dream.imagine import Decision, DreamConfig, Trajectory, imagine
from reverie.dream.moments import Moments, World
from reverie.errors import UserError
from reverie.models.mdn_rnn import Memory, MemoryState
from reverie.run.imagine import ImagineConfig
from reverie.training.controller.imagine.actor import Actor
from reverie.training.controller.imagine.critic import Critic
from reverie.training.controller.imagine.paid import pay
from reverie.training.controller.imagine.returns import ReturnRange, lambda_returns, weights
from reverie.training.optimizer_state import pack_optimizer, unpack_optimizer

LOOK_EVERY = 10
"""Steps from one look at the losses to the next, where to look is to wait."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DreamWorld:
    """What is dreamt in, and how."""

    memories: Sequence[Memory]
    """M, and the further members that take part."""
    world: World
    config: DreamConfig
    doubt: DoubtConfig = field(default_factory=DoubtConfig)

    @property
    def num_features(self) -> int:
        """What the critic reads: z, the hidden state of M's last layer, and the outlook."""
        return self.memories[0].z_size + self.memories[0].config.hidden_size + 2


class ActorCritic:
    """Both, with what it takes to go on learning."""

    def __init__(self, actor: Actor, critic: Critic, dreams: DreamWorld, config: ImagineConfig) -> None:
        self.actor, self.critic, self.dreams, self.config = actor, critic, dreams, config
        self.range = ReturnRange()
        with dynamo.in_private():
            self._of_actor = torch.optim.Adam(actor.parameters(), config.actor.rate)
            self._of_critic = torch.optim.Adam(critic.net.parameters(), config.critic.rate)

    def step(self, step: int, moments: Sequence[Moments], chance: torch.Generator) -> dict[str, Tensor]:
        """Dreams from `moments`, as each memory knows them, and learns; gives numbers to log.

        Raises UserError where a loss is no longer a number. Actor and critic are then as they were, but on a device
        that is told what to do ahead of time: there, one step in `LOOK_EVERY` is looked at.
        """
        config = self.config
        through_model = config.actor.gradient == "model"
        drawn = list[Tensor]()
        with torch.set_grad_enabled(through_model):
            dreamt = self._dream(moments, drawn, chance, through_model=through_model)
            paid = pay(self.dreams.world, moments[0], dreamt, self.dreams.doubt)
            discount = config.discount * (1 - paid.end)
            features = torch.cat([dreamt.z, dreamt.h[:, :, -1], paid.outlook], -1)
        seen = features.detach()
        logits = self.critic.net(seen)
        value = self.critic.value(logits).detach()
        with torch.set_grad_enabled(through_model):
            hoped = self.critic.value(self.critic.net(features)) if through_model else value
            returns = lambda_returns(paid.rew, discount, hoped, config.trace)
        weight, target = weights(discount).detach(), returns.detach()
        self.range.update(target)
        critic_loss = (weight * self.critic.loss(logits[:, :-1], target, seen[:, :-1])).mean()
        out = self.actor.outputs(*_flat(dreamt)).unflatten(0, target.shape)
        did = torch.stack(drawn, 1).detach()
        entropy = self.actor.entropy(did, out)
        advantage = (target - value[:, :-1]) / self.range.scale
        gain = returns / self.range.scale if through_model else advantage * self.actor.log_prob(did, out)
        actor_loss = -(weight * (gain + config.actor.entropy * entropy)).mean()
        values = {
            "return": target.mean(),
            "reward": paid.rew.detach().mean(),
            "value": value[:, :-1].mean(),
            "advantage_std": advantage.std(),
            "range": self.range.scale,
            "entropy": entropy.detach().mean(),
            "end": paid.end.detach().mean(),
            "exploits": (paid.excess.detach() > 0).any(1).float().sum(),
            "loss_critic": critic_loss.detach(),
            "loss_actor": actor_loss.detach(),
        }
        if not self.actor.choices:
            values["std"] = self.actor.std.detach().mean()
        if step % LOOK_EVERY == 0 or not is_asynchronous(target.device):
            self._require_numbers(step, values)
        optimizers = [(self._of_critic, critic_loss)]
        if step >= config.actor.begins_at:
            optimizers.append((self._of_actor, actor_loss))
        norms = [self._gradient(*one) for one in optimizers]  # all of them before any weight moves
        for optimizer, _ in optimizers:
            optimizer.step()
        self.critic.follow()
        return values | dict(zip(("gradient_critic", "gradient_actor"), norms, strict=False))

    def _dream(
        self, moments: Sequence[Moments], drawn: list[Tensor], chance: torch.Generator, *, through_model: bool
    ) -> Trajectory:
        """The outputs that the actor draws on the way are added to `drawn`."""

        def decide(z: Tensor, state: MemoryState) -> Decision:
            drawn.append(self.actor.draw(self.actor.outputs(z, state), chance))
            return Decision(self.actor.controller.actions.from_outputs(drawn[-1]))

        dreams = self.dreams
        return imagine(
            dreams.memories[0],
            decide,
            moments[0],
            self.config.horizon,
            dreams.config,
            chance=chance,
            members=[
                Member(memory=memory, moments=known)
                for memory, known in zip(dreams.memories[1:], moments[1:], strict=True)
            ],
            through_model=through_model,
        )

    def _gradient(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
        """Gives what an optimizer moves its gradient by `loss`; its norm is that before it was clipped."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        return nn.utils.clip_grad_norm_(parameters, self.config.clip or torch.inf)

    def _require_numbers(self, step: int, values: dict[str, Tensor]) -> None:
        numbers = torch.stack([value.float() for value in values.values()]).tolist()
        broken = [name for name, value in zip(values, numbers, strict=True) if not math.isfinite(value)]
        if broken:
            raise UserError(
                f"controller: {broken[0]} became no number at step {step}: lower controller.imagine.actor.rate or "
                "controller.imagine.horizon, or set controller.imagine.actor.gradient = likelihood"
            )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that is needed to go on alike, for a checkpoint."""
        tensors, meta = dict[str, Tensor](), dict[str, Any]()
        for name, module in (("actor", self.actor), ("critic", self.critic)):
            tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        for name, optimizer in (("of_actor", self._of_actor), ("of_critic", self._of_critic)):
            slots, meta[name] = pack_optimizer(optimizer)
            tensors |= {f"{name}.{key}": value for key, value in slots.items()}
        if self.range.ends is not None:
            tensors["range.ends"] = self.range.ends
        return tensors, meta

    def load_state(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Goes on from what `state` gave."""

        def under(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}

        self.actor.load_state_dict(under("actor"))
        self.critic.load_state_dict(under("critic"))
        for name, optimizer in (("of_actor", self._of_actor), ("of_critic", self._of_critic)):
            unpack_optimizer(optimizer, under(name), meta[name])
        ends = tensors.get("range.ends")
        self.range.ends = None if ends is None else ends.to(self.critic.bins.device)


def _flat(dreamt: Trajectory) -> tuple[Tensor, MemoryState]:
    """Latents and M's states before every decision, one after the other: (b * t, z) and (b * t, l, h)."""
    z, h, c = (part[:, :-1].detach().flatten(0, 1) for part in (dreamt.z, dreamt.h, dreamt.c))
    return z, MemoryState(h, c)
