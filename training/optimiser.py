"""Muon for the hidden matrices, Adam for the rest: both plain, both with a state that saves as tensors."""

import torch
from torch import Tensor, nn

from training.network import Network
from training.precision import multiplies_bfloat16
from training.workers import Workers

# The quintic Newton-Schulz iteration of Jordan et al. (2024): five rounds bring all singular values near 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(gradients: Tensor, rounds: int = 5) -> Tensor:
    """The nearest orthogonal matrix of each of a stack (n, rows, columns), roughly."""
    x = gradients.to(torch.bfloat16 if multiplies_bfloat16(gradients.device) else torch.float32)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon:
    """Momentum, made orthogonal (Jordan et al. 2024)."""

    def __init__(
        self, matrices: dict[str, nn.Parameter], weight_decay: float, momentum: float = 0.95
    ) -> None:
        self.matrices = matrices
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.velocity = {name: torch.zeros_like(p) for name, p in matrices.items()}

    @torch.no_grad()
    def update(self, name: str, rate: float) -> None:
        """One matrix; apart from the others, so that several threads can share the work."""
        p, velocity = self.matrices[name], self.velocity[name]
        gradient = p.grad
        assert gradient is not None
        velocity.lerp_(gradient, 1 - self.momentum)
        rows, columns = p.shape
        # queries, keys and values are three square matrices in one
        parts = gradient.lerp(velocity, self.momentum).view(3 if rows == 3 * columns else 1, -1, columns)
        size = max(1.0, parts.shape[1] / columns) ** 0.5
        p.mul_(1 - rate * self.weight_decay).add_(orthogonalise(parts).view_as(p), alpha=-rate * size)


class Optimiser:
    """Both optimisers behind one step, with a learning rate that is a share of each one's own."""

    def __init__(self, network: Network, *, muon_rate: float, adam_rate: float, weight_decay: float) -> None:
        named = dict(network.named_parameters())
        matrices = {n: p for n, p in named.items() if n.startswith("blocks.") and p.ndim == 2}
        self.muon_rate, self.adam_rate = muon_rate, adam_rate
        self.rest = {n: p for n, p in named.items() if n not in matrices}
        self.muon = Muon(matrices, weight_decay)
        is_fused = network.head_bias.is_cuda  # nothing is waited for there, the count of steps included
        self.adam = torch.optim.Adam(
            self.rest.values(), lr=adam_rate, betas=(0.9, 0.98), eps=1e-8, fused=is_fused
        )

    def step(self, share: float, workers: Workers) -> None:
        workers.map(lambda name: self.muon.update(name, self.muon_rate * share), list(self.muon.matrices))
        self.adam.param_groups[0]["lr"] = self.adam_rate * share
        self.adam.step()
        for p in (*self.muon.matrices.values(), *self.rest.values()):
            p.grad = None

    def tensors(self) -> dict[str, Tensor]:
        state = {f"muon.{name}": v for name, v in self.muon.velocity.items()}
        for name, p in self.rest.items():
            for key, value in self.adam.state[p].items():
                state[f"adam.{key}.{name}"] = value
        return state

    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, velocity in self.muon.velocity.items():
            velocity.copy_(tensors[f"muon.{name}"])
        for name, p in self.rest.items():
            self.adam.state[p] = {
                key: tensors[f"adam.{key}.{name}"].clone().to(p.device)
                for key in ("step", "exp_avg", "exp_avg_sq")
            }
