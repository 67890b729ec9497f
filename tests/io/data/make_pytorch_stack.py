"""Writes pytorch_stack.safetensors, a residual MLP with norms as PyTorch names and lays out its tensors, and
pytorch_stack.json, its inputs and outputs in double."""
import json
import struct

import torch
from torch import nn


class RMSNorm(nn.Module):  # as torch.nn.RMSNorm, which PyTorch 1.13 lacks
    def __init__(self, rows, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(rows)), eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm1 = nn.Linear(5, 8), nn.LayerNorm(8)
        self.norm2, self.fc2 = nn.LayerNorm(8, eps=1e-3), nn.Linear(8, 8)
        self.norm3, self.fc3 = RMSNorm(8, 1e-6), nn.Linear(8, 7)
        self.fc4, self.out = nn.Linear(7, 6), nn.Linear(6, 3, bias=False)

    def forward(self, x):
        h = nn.functional.gelu(self.norm1(self.fc1(x)))
        h = h + torch.tanh(self.fc2(self.norm2(h)))
        h = torch.relu(self.fc3(self.norm3(h)))
        return self.out(nn.functional.leaky_relu(self.fc4(h)))


torch.manual_seed(0)
network = Network()
for name, parameter in network.named_parameters():
    parameter.data.add_(0.3 * torch.randn_like(parameter))  # norms, too, away from 1 and 0
tensors = {name: value.clone() for name, value in network.state_dict().items()}
header, data = {}, b""
for name, value in tensors.items():
    header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + 4 * value.numel()]}
    data += value.numpy().tobytes()
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open("pytorch_stack.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
x = torch.randn(9, 5, dtype=torch.float64)
with open("pytorch_stack.json", "w") as file:
    json.dump({"x": x.flatten().tolist(), "y": network.double()(x).flatten().tolist()}, file)
