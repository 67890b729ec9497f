"""Writes the ONNX files of this folder and what JAX computes with them, values.json: python3 make.py, with jax, jax2onnx and onnx."""
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "examples" / "from_elsewhere"))
from diamond_to_onnx import network, read_safetensors  # noqa: E402
from export import jax_to_onnx  # noqa: E402

N = 5
draw = np.random.default_rng(1)
values = {}


def numbers(*shape):
    return draw.normal(size=shape).astype("float32")


def mlp(inputs, outputs, width=12):
    w, b, v = numbers(inputs, width), numbers(width), numbers(width, outputs) / 4

    def evaluate(*columns):
        rows = [c if c.ndim == 2 else c[:, None] for c in columns]
        return jnp.tanh(jnp.concatenate(rows, 1) @ w + b) @ v

    return evaluate


def write(name, function, inputs, direction, **given):
    """The files, and the values at these inputs, computed in double."""
    jax_to_onnx(function, HERE / f"{name}.onnx", inputs)
    states = [key for key in inputs if key in ("x", "xbar", "x_t")]
    with jax.enable_x64(True):
        at = {key: np.asarray(value, "float64" if np.asarray(value).dtype.kind == "f" else None) for key, value in given.items()}
        out, pull = jax.vjp(lambda *s: function(*{**at, **dict(zip(states, s))}.values()), *(at[s] for s in states))
        pushed = jax.jvp(lambda s: function(*{**at, states[0]: s}.values()), (at[states[0]],), (np.asarray(direction, "float64"),))[1]
        results = {"out": out, "jvp": pushed, **{f"of_{s}": v for s, v in zip(states, pull(np.asarray(direction, "float64")))}}
    values[name] = {key: np.asarray(value).ravel().tolist() for key, value in {**given, "direction": direction, **results}.items()}


x, t = numbers(N, 3), draw.uniform(size=N).astype("float32")
write("flow", mlp(4, 3), {"x": (3,), "t": ()}, numbers(N, 3), x=x, t=t)

labels, embedding, of_label = draw.integers(0, 5, N).astype("int32"), numbers(5, 2), mlp(6, 3)
write("labelled", lambda x, t, c: of_label(x, t, jnp.take(embedding, c, axis=0)), {"x": (3,), "t": (), "condition": "int32"}, numbers(N, 3), x=x, t=t, condition=labels)
write("conditioned", mlp(6, 3), {"x": (3,), "t": (), "condition": (2,)}, numbers(N, 3), x=x, t=t, condition=numbers(N, 2))

# The network of tests/io/data, which the library loads, too; its values are those that PyTorch gave it, in that folder.
evaluate, inputs = network(*read_safetensors(HERE.parents[1] / "io" / "data" / "pytorch_network.safetensors"))
s, r = (draw.uniform(size=N).astype("float32") for _ in range(2))
write("diamond", evaluate, inputs, numbers(N, 3), xbar=numbers(N, 3), x_t=x, t=t, s=s, r=r, condition=(labels - 1).astype("int32"))

for suffix in ("", ".vjp", ".jvp"):  # the same with weights in half precision
    model = onnx.load(HERE / f"diamond{suffix}.onnx")
    casts = []
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype == "float32" and weights.size > 9:
            casts.append(helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=onnx.TensorProto.FLOAT))
            tensor.CopyFrom(numpy_helper.from_array(weights.astype("float16"), f"{tensor.name}_half"))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    onnx.checker.check_model(model)
    onnx.save(model, HERE / f"diamond_half{suffix}.onnx")

(HERE / "values.json").write_text(json.dumps(values) + "\n")
