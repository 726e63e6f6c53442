"""The policy gradient of associations: what is drawn, and that it is not biased."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.apg.association_gradient import association_surrogate, sample_pair


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("limit", [4, 2])
def test_associations_are_drawn_in_feasible_pairs(limit: int) -> None:
    scores = torch.randn(50, 4, 2, generator=seeded(0))
    pair = sample_pair(scores, np.full((50, 2), limit), seeded(1))
    for association in pair:
        assert set(association.unique().tolist()) == {0.0, 1.0}
        assert (association.sum(dim=-1) == 1).all()
        assert association.sum(dim=-2).max() <= limit
    moved = (pair[0] != pair[1]).any(dim=-1).sum(dim=-1)
    # Both servers full: two users change places.
    assert moved.unique().tolist() == ([1] if limit == 4 else [2])


def test_who_changes_places_loses_least() -> None:
    lead = torch.tensor([40.0, 200.0, -40.0, -200.0])  # of server 0; beyond all noise
    scores = torch.stack([lead, torch.zeros(4)], dim=-1).expand(500, 4, 2)
    drawn, other = sample_pair(scores, np.full((500, 2), 2), seeded(0))
    assert (drawn[:, :, 0] == torch.tensor([1.0, 1.0, 0.0, 0.0])).all()
    pairs = {tuple(row.nonzero().ravel().tolist()) for row in (drawn != other)[..., 0]}
    assert pairs == {(0, 2), (1, 2), (0, 3)}  # not (1, 3): 0 and 2 lose less


@pytest.mark.parametrize("n_servers", [2, 3])
def test_gradient_of_the_association_is_exact_on_average(n_servers: int) -> None:
    # All associations of three users, each with a value, against drawn pairs.
    generator = seeded(n_servers)
    value = torch.rand((n_servers,) * 3, generator=generator)
    scores = torch.randn(3, n_servers, generator=generator, requires_grad=True)
    p = torch.softmax(scores, dim=-1)
    mean = torch.einsum("ijk,i,j,k", value, *p)
    (wanted,) = torch.autograd.grad(mean, scores)

    batch = scores.detach().expand(100_000, -1, -1).clone().requires_grad_()
    room = np.full((len(batch), n_servers), 3)
    association = sample_pair(batch.detach(), room, generator)
    server = association.argmax(dim=-1)
    gain = association_surrogate(batch, association, value[tuple(server.unbind(-1))])
    (gradient,) = torch.autograd.grad(gain, batch)
    error = gradient.std(dim=0) * len(batch) ** 0.5
    assert error.max() < 1e-3  # so that the next line says something
    assert ((gradient.sum(dim=0) - wanted).abs() < 5 * error).all()


def test_one_server_leaves_nothing_to_choose() -> None:
    scores = torch.randn(5, 3, 1, requires_grad=True)
    association = sample_pair(scores.detach(), np.full((5, 1), 3), seeded(0))
    assert (association == 1).all()
    gain = association_surrogate(scores, association, torch.rand(2, 5))
    gain.backward()
    assert gain == 0
    assert (scores.grad == 0).all()
