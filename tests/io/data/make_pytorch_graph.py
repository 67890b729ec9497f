"""Writes a small U-Net and a transformer beside it, two halves of one PyTorch module that share an embedding:
pytorch_graph_state.safetensors, the state_dict under PyTorch's names; pytorch_graph.safetensors, the same as a graph of
this library, structure and names; and pytorch_graph_x.npy and pytorch_graph_y.npy, inputs and outputs in double."""
import json

import numpy
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import gelu, interpolate, silu


class Block(nn.Module):
    """A residual block whose middle the embedding scales and shifts."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(2, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.emb = nn.Linear(6, 2 * outputs)
        self.norm2, self.conv2 = nn.GroupNorm(2, outputs, eps=1e-3), nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, e):
        scale, shift = self.emb(e)[:, :, None, None].chunk(2, 1)
        h = self.norm2(self.conv1(silu(self.norm1(x))))
        return self.skip(x) + self.conv2(silu(h * (1 + scale) + shift))


class Attention(nn.Module):
    """Attention of pixels, as timm lays it out."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(channels)
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x):
        n, c, h, w = x.shape
        t = self.norm(x.flatten(2).transpose(1, 2))
        q, k, v = self.qkv(t).reshape(n, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        o = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, h * w, c)
        return x + self.proj(o).transpose(1, 2).reshape(x.shape)


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp, self.block1, self.down = nn.Conv2d(2, 4, 3, padding=1), Block(4, 4), nn.Conv2d(4, 6, 3, 2, 1)
        self.block2, self.attention = Block(6, 6), Attention(6, 2)
        self.up, self.block3 = nn.Conv2d(6, 4, 3, padding=1), Block(8, 4)
        self.norm, self.out, self.score = nn.GroupNorm(2, 4), nn.Conv2d(4, 2, 3, padding=1), nn.Linear(4, 1)

    def forward(self, x, e):
        a = self.block1(self.inp(x), e)
        b = self.attention(self.block2(self.down(a), e))
        h = self.block3(torch.cat([self.up(interpolate(b, scale_factor=2)), a], 1), e)
        h = silu(self.norm(h))
        return self.out(h), self.score(h.mean((2, 3)))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch, self.pos = nn.Conv2d(2, 6, 2, 2), nn.Parameter(torch.randn(1, 16, 6))
        self.ada, self.norm1 = nn.Linear(6, 36), nn.LayerNorm(6, elementwise_affine=False)
        self.attn, self.norm2 = nn.MultiheadAttention(6, 3, batch_first=True), nn.RMSNorm(6, eps=1e-6)
        self.fc1, self.fc2, self.out = nn.Linear(6, 12), nn.Linear(12, 6), nn.Linear(6, 8)

    def forward(self, x, e):
        scale1, shift1, gate1, scale2, shift2, gate2 = self.ada(e)[:, None].chunk(6, 2)
        t = self.patch(x).flatten(2).transpose(1, 2) + self.pos
        h = self.norm1(t) * (1 + scale1) + shift1
        t = t + gate1 * self.attn(h, h, h, need_weights=False)[0]
        h = self.norm2(t) * (1 + scale2) + shift2
        t = t + gate2 * self.fc2(gelu(self.fc1(h)))
        return nn.functional.pixel_shuffle(self.out(t).transpose(1, 2).reshape(-1, 8, 4, 4), 2)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.unet, self.vit = nn.Linear(5, 6), UNet(), Transformer()

    def forward(self, rows):
        x, e = rows[:, :128].reshape(-1, 2, 8, 8), silu(self.embed(rows[:, 128:]))
        image, score = self.unet(x, e)
        return torch.cat([image.flatten(1), self.vit(x, e).flatten(1), score], 1)


class Graph:
    """The same module as nodes of this library: layers, and where each tensor stands in the state_dict."""

    def __init__(self):
        self.nodes, self.names = [], {}

    def add(self, layer, sources, fields=None, **names):
        k = len(self.nodes)
        self.nodes.append({"layer": layer, "fields": fields or {}, "from": sources})
        self.names.update({f"nodes.{k}.{tensor}": name for tensor, name in names.items()})
        return k

    def module(self, layer, source, name, fields):
        return self.add(layer, [source], fields, weight=name + ".weight", bias=name + ".bias")

    def conv(self, at, name, outputs, kernel=3, stride=1, padding=1):
        return self.module("convolution", at, name,
                           {"outputs": outputs, "kernel": kernel, "stride": stride, "padding": padding})

    def dense(self, at, name, outputs):
        return self.conv(at, name, outputs, 1, 1, 0)

    def norm(self, at, name, epsilon=1e-5):
        return self.module("group_norm", at, name, {"groups": 2, "epsilon": epsilon})

    def act(self, at, kind="silu"):
        return self.add("activation", [at], {"kind": kind})

    def block(self, x, e, name, outputs, skip=False):
        h = self.conv(self.act(self.norm(x, name + ".norm1")), name + ".conv1", outputs)
        acting = self.dense(e, name + ".emb", 2 * outputs)
        h = self.act(self.add("modulation", [self.norm(h, name + ".norm2", 1e-3), acting], {"first": 0}))
        h = self.conv(h, name + ".conv2", outputs)
        return self.add("sum", [self.dense(x, name + ".skip", outputs) if skip else x, h])

    def build(self):
        x = self.add("input", [], {"first": 0, "channels": 2, "height": 8, "width": 8})
        e = self.add("input", [], {"first": 128, "channels": 5, "height": 1, "width": 1})
        e = self.act(self.dense(e, "embed", 6))
        a = self.block(self.conv(x, "unet.inp", 4), e, "unet.block1", 4)
        b = self.block(self.conv(a, "unet.down", 6, stride=2), e, "unet.block2", 6)
        h = self.module("pixel_norm", b, "unet.attention.norm", {"kind": "layer", "epsilon": 1e-5, "affine": True})
        h = self.add("self_attention", [self.dense(h, "unet.attention.qkv", 18)], {"heads": 2})
        b = self.add("sum", [b, self.dense(h, "unet.attention.proj", 6)])
        h = self.conv(self.add("up_sampling", [b], {"factor": 2}), "unet.up", 4)
        h = self.block(self.add("concatenation", [h, a]), e, "unet.block3", 4, skip=True)
        h = self.act(self.norm(h, "unet.norm"))
        image = self.conv(h, "unet.out", 2)
        score = self.dense(self.add("average_pooling", [h], {"size": 0}), "unet.score", 1)

        t = self.conv(x, "vit.patch", 6, 2, 2, 0)
        t = self.add("position_embedding", [t], weight="vit.pos")
        ada = self.dense(e, "vit.ada", 36)
        h = self.add("pixel_norm", [t], {"kind": "layer", "epsilon": 1e-5, "affine": False})
        h = self.add("modulation", [h, ada], {"first": 0})
        h = self.add("convolution", [h], {"outputs": 18, "kernel": 1, "stride": 1, "padding": 0},
                     weight="vit.attn.in_proj_weight", bias="vit.attn.in_proj_bias")
        h = self.dense(self.add("self_attention", [h], {"heads": 3}), "vit.attn.out_proj", 6)
        t = self.add("gated_sum", [t, h, ada], {"first": 12})
        h = self.add("pixel_norm", [t], {"kind": "rms", "epsilon": 1e-6, "affine": True}, weight="vit.norm2.weight")
        h = self.add("modulation", [h, ada], {"first": 18})
        h = self.dense(self.act(self.dense(h, "vit.fc1", 12), "gelu"), "vit.fc2", 6)
        t = self.add("gated_sum", [t, h, ada], {"first": 30})
        patches = self.add("pixel_shuffle", [self.dense(t, "vit.out", 8)], {"factor": 2})
        return {"inputs": 133, "nodes": self.nodes, "outputs": [image, patches, score]}


torch.manual_seed(0)
network = Network()
for parameter in network.parameters():
    parameter.data.add_(0.2 * torch.randn_like(parameter))  # norms, too, away from 1 and 0
state = {name: value.clone() for name, value in network.state_dict().items()}
save_file(state, "pytorch_graph_state.safetensors")

graph = Graph()
structure = graph.build()
tensors, left = {}, set(state)
for place, name in graph.names.items():
    if name not in state and name.endswith("conv2.bias"):
        tensors[place] = torch.zeros(state[name.replace("bias", "weight")].shape[0])  # PyTorch's has none
        continue
    value = state[name]
    left.remove(name)
    layer = structure["nodes"][int(place.split(".")[1])]["layer"]
    if layer == "convolution" and value.ndim == 2:
        value = value[:, :, None, None]  # a Linear is a convolution of one pixel
    tensors[place] = value.squeeze(0) if layer == "position_embedding" else value
assert not left, left
save_file(tensors, "pytorch_graph.safetensors",
          {"format": "layer_graph", "version": "1.0", "graph": json.dumps(structure, separators=(",", ":"))})

x = torch.randn(3, 133, dtype=torch.float64)
numpy.save("pytorch_graph_x.npy", x.numpy())
numpy.save("pytorch_graph_y.npy", network.double()(x).detach().numpy())
