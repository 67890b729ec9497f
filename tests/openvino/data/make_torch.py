"""Writes torch.onnx and the files of its products, and what PyTorch computes with them, torch.json: python3 make_torch.py, with torch and
onnxscript."""
import json
import pathlib
import sys

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "examples" / "from_elsewhere"))
from export import torch_to_onnx  # noqa: E402

torch.manual_seed(1)
N, d = 5, 3
layers = torch.nn.Sequential(torch.nn.Linear(d + 1 + 2, 12), torch.nn.SiLU(), torch.nn.LayerNorm(12), torch.nn.Linear(12, 12), torch.nn.GELU(), torch.nn.Linear(12, d))
embedding = torch.nn.Embedding(4, 2)


def network(x, t, label):
    return layers(torch.cat([x, t[:, None], embedding(label)], 1))


torch_to_onnx(network, HERE / "torch.onnx", {"x": (d,), "t": (), "condition": "int64"})
given = {"x": torch.randn(N, d), "t": torch.rand(N), "condition": torch.randint(0, 4, (N,)), "direction": torch.randn(N, d)}
layers.double(), embedding.double()
x, t, label, direction = (value.double() if value.is_floating_point() else value for value in given.values())
jacobian = torch.func.vmap(torch.func.jacrev(lambda x, t, label: network(x[None], t[None], label[None])[0]))(x, t, label)
results = {
    "out": network(x, t, label),
    "of_x": torch.einsum("ni,nij->nj", direction, jacobian),
    "jvp": torch.einsum("nij,nj->ni", jacobian, direction),
}
values = {key: value.detach().flatten().tolist() for key, value in {**given, **results}.items()}
(HERE / "torch.json").write_text(json.dumps({"torch": values}) + "\n")
