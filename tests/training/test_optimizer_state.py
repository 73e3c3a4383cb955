"""An optimizer goes on from what was packed of it as if nothing had been."""

import pytest
import torch

from reverie.checkpoint import load, save
from reverie.errors import UserError
from reverie.training.optimizer_state import pack_optimizer, unpack_optimizer


def network_and_optimizer(kind, width=3):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))
    return network, kind(network)


def train(network, optimizer, steps):
    for step in steps:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        (network(x) - x.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()


OPTIMIZERS = {
    "adam": lambda n: torch.optim.Adam(n.parameters(), lr=0.01, betas=(0.8, 0.99)),
    "amsgrad": lambda n: torch.optim.Adam(n.parameters(), lr=0.01, amsgrad=True),
    "two groups": lambda n: torch.optim.AdamW(
        [{"params": n[0].parameters()}, {"params": n[2].parameters(), "lr": 0.1}], lr=0.01
    ),
    "lr tensor": lambda n: torch.optim.Adam(n.parameters(), lr=torch.tensor(0.01)),
    "rmsprop": lambda n: torch.optim.RMSprop(n.parameters(), lr=0.01, alpha=0.9),
    "sgd": lambda n: torch.optim.SGD(n.parameters(), lr=0.01, momentum=0.9),
}


@pytest.mark.parametrize("kind", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
@pytest.mark.parametrize("killed_at", [0, 5])
def test_continued_training_equals_uninterrupted(tmp_path, kind, killed_at):
    whole, optimizer = network_and_optimizer(kind)
    train(whole, optimizer, range(10))

    first, optimizer = network_and_optimizer(kind)
    train(first, optimizer, range(killed_at))
    tensors, meta = pack_optimizer(optimizer)
    save(tmp_path / "optimizer.safetensors", tensors, meta)
    weights = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    train(first, optimizer, range(90, 93))  # what was packed must not move with the live state

    second, optimizer = network_and_optimizer(kind)
    second.load_state_dict(weights)
    unpack_optimizer(optimizer, *load(tmp_path / "optimizer.safetensors"))
    train(second, optimizer, range(killed_at, 10))
    for name, tensor in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor)


def test_unpacking_leaves_the_source_alone():
    network, optimizer = network_and_optimizer(OPTIMIZERS["adam"])
    train(network, optimizer, range(2))
    tensors, meta = pack_optimizer(optimizer)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    unpack_optimizer(optimizer, tensors, meta)
    train(network, optimizer, range(2))
    assert all(torch.equal(before[name], tensors[name]) for name in before)
    assert isinstance(optimizer.param_groups[0]["betas"], tuple)


def test_optimizer_of_another_model():
    network, optimizer = network_and_optimizer(OPTIMIZERS["adam"])
    train(network, optimizer, range(2))
    packed = pack_optimizer(optimizer)
    for kind, width in [(OPTIMIZERS["adam"], 5), (OPTIMIZERS["two groups"], 3)]:
        with pytest.raises(UserError, match="belongs to another model"):
            unpack_optimizer(network_and_optimizer(kind, width)[1], *packed)
