#!/usr/bin/env python3
"""Trains the velocity of two clusters in PyTorch and saves it as two_clusters.safetensors. Needs torch and safetensors; takes a minute."""
import torch
from safetensors.torch import save_file
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, h):
        return h + nn.functional.silu(self.fc(self.norm(h)))


class Velocity(nn.Module):
    """u(x, t), from noise at t = 0 to data at t = 1."""

    def __init__(self, width=32, blocks=2):
        super().__init__()
        self.inp, self.blocks = nn.Linear(3, width), nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 2)

    def forward(self, x, t):
        h = nn.functional.silu(self.inp(torch.cat([x, t], 1)))
        for block in self.blocks:
            h = block(h)
        return self.out(self.norm(h))


torch.manual_seed(0)
net, n, steps = Velocity(), 1024, 10_000
average = {name: value.clone() for name, value in net.state_dict().items()}
optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.0)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
for _ in range(steps):
    sign = torch.randint(2, (n, 1)) * 2.0 - 1.0  # data are N(m, 0.2 I) and N(-m, 0.2 I)
    z, noise, t = sign * torch.tensor([1.5, -0.5]) + 0.2**0.5 * torch.randn(n, 2), torch.randn(n, 2), torch.rand(n, 1)
    loss = (net(t * z + (1 - t) * noise, t) - (z - noise)).pow(2).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    schedule.step()
    for name, value in net.state_dict().items():
        average[name].lerp_(value, 0.002)
save_file(average, "two_clusters.safetensors")
