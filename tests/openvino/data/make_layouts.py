"""Writes layouts/ and refused/: u = t x, or u = x + c of a condition c, in every way that an ONNX file may ask for its inputs, and in ways
that are refused. python3 make_layouts.py, with onnx and numpy."""
import pathlib

import numpy as np
from onnx import TensorProto as T
from onnx import checker, helper, numpy_helper, save

HERE = pathlib.Path(__file__).resolve().parent
N = "N"


def write(name, inputs, nodes, outputs, constants=None):
    """Inputs and outputs are (name, type, shape)."""
    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, **more) for op, ins, outs, more in nodes],
        "g",
        [helper.make_tensor_value_info(*port) for port in inputs],
        [helper.make_tensor_value_info(*port) for port in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    file = HERE / f"{name}.onnx"
    file.parent.mkdir(exist_ok=True)
    save(model, file)


def product(name, shape, kind=T.FLOAT, x=(N, 3), x_kind=T.FLOAT, out=None, more=()):
    """u = t x."""
    nodes, t = [], "t"
    if kind != x_kind:
        nodes.append(("Cast", [t], ["cast"], {"to": x_kind}))
        t = "cast"
    if len(shape) == 1 and shape[0] != 1:
        nodes.append(("Unsqueeze", [t, "axis"], ["column"], {}))
        t = "column"
    if len(x) > 2 and len(shape) > 0:
        nodes.append(("Reshape", [t, "image"], ["images"], {}))
        t = "images"
    nodes.append(("Mul", ["x", t], ["u"], {}))
    constants = {"axis": [1], "image": [-1, 1, 1, 1]}
    used = {k: v for k, v in constants.items() if any(k in ins for _, ins, _, _ in nodes)}
    write(name, [("x", x_kind, x), ("t", kind, shape), *more], nodes, [("u", x_kind, out or x)], used)


def conditioned(name, kind, shape, columns):
    """u = x + c, of a label in all rows or of a vector."""
    nodes, c = [], "condition"
    if kind != T.FLOAT:
        nodes.append(("Cast", [c], ["cast"], {"to": T.FLOAT}))
        c = "cast"
    if len(shape) == 1:
        nodes.append(("Unsqueeze", [c, "axis"], ["column"], {}))
        c = "column"
    nodes += [("Add", ["x", c], ["sum"], {}), ("Mul", ["t", "zero"], ["nothing"], {}), ("Add", ["sum", "nothing"], ["u"], {})]
    constants = {"zero": np.float32(0)} | ({"axis": [1]} if len(shape) == 1 else {})
    write(name, [("x", T.FLOAT, (N, columns)), ("t", T.FLOAT, ()), ("condition", kind, shape)], nodes, [("u", T.FLOAT, (N, columns))], constants)


product("layouts/time_scalar", ())
product("layouts/time_one", (1,))
product("layouts/time_each", (N,))
product("layouts/time_column", (N, 1))
product("layouts/time_scalar_double", (), T.DOUBLE)
product("layouts/time_each_double", (N,), T.DOUBLE)
product("layouts/image", (N,), x=(N, 1, 2, 2))
product("layouts/fixed", (8,), x=(8, 3))
product("layouts/half", (N,), T.FLOAT16, x_kind=T.FLOAT16)
for name, kind in (("int32", T.INT32), ("int64", T.INT64)):
    conditioned(f"layouts/label_{name}", kind, (N,), 3)
conditioned("layouts/label_column", T.INT64, (N, 1), 3)
conditioned("layouts/vector", T.FLOAT, (N, 3), 3)
write(
    "layouts/named",
    [("state", T.FLOAT, (N, 3)), ("clock", T.FLOAT, (N, 1))],
    [("Mul", ["state", "clock"], ["u"], {}), ("Neg", ["u"], ["minus_u"], {})],
    [("u", T.FLOAT, (N, 3)), ("minus_u", T.FLOAT, (N, 3))],
)

# u = t x, whose products do not read x.
product("layouts/linear", (N, 1))
for suffix, direction in (("vjp", "cotangent"), ("jvp", "tangent")):
    write(
        f"layouts/linear.{suffix}",
        [("x", T.FLOAT, (N, 3)), ("t", T.FLOAT, (N, 1)), (direction, T.FLOAT, (N, 3))],
        [("Mul", [direction, "t"], ["u"], {})],
        [("u", T.FLOAT, (N, 3))],
    )

product("refused/double", (N,), T.DOUBLE, x_kind=T.DOUBLE)
product("refused/integers", (N,), T.INT32, x_kind=T.INT32)
product("refused/integer_time", (N,), T.INT64)
product("refused/pair_of_times", (N, 3))
product("refused/open", (N, 1), x=(N, "d"))
product("refused/one_column", (1,), x=(1, 3))
product("refused/more", (N, 1), more=[("guidance", T.FLOAT, (1,))])
conditioned("refused/float_label", T.FLOAT, (N,), 3)
conditioned("refused/label_pair", T.INT32, (N, 3), 3)
write("refused/no_rank", [("x", T.FLOAT, (N,)), ("t", T.FLOAT, (N,))], [("Mul", ["x", "t"], ["u"], {})], [("u", T.FLOAT, (N,))])
write(
    "refused/wider",
    [("x", T.FLOAT, (N, 3)), ("t", T.FLOAT, (N, 1))],
    [("Concat", ["x", "t"], ["u"], {"axis": 1})],
    [("u", T.FLOAT, (N, 4))],
)
write(
    "refused/baked",
    [("x", T.FLOAT, (8, 3)), ("t", T.FLOAT, (8, 1))],
    [("Mul", ["x", "t"], ["y"], {}), ("Reshape", ["y", "shape"], ["u"], {})],
    [("u", T.FLOAT, (8, 3))],
    {"shape": [8, 3]},
)
write(
    "refused/added",
    [("x", T.FLOAT, (8, 3)), ("t", T.FLOAT, (8, 1))],
    [("Mul", ["x", "t"], ["y"], {}), ("Add", ["y", "noise"], ["u"], {})],
    [("u", T.FLOAT, (8, 3))],
    {"noise": np.zeros((8, 3), "float32")},
)
write(
    "refused/twice",
    [("x", T.FLOAT, (N, 3)), ("t", T.FLOAT, (N, 1))],
    [("Mul", ["x", "t"], ["y"], {}), ("Concat", ["y", "y"], ["u"], {"axis": 0})],
    [("u", T.FLOAT, ("M", 3))],
)
write(
    "refused/first",
    [("x", T.FLOAT, (N, 3)), ("t", T.FLOAT, (N, 1))],
    [("Mul", ["x", "t"], ["y"], {}), ("Slice", ["y", "begin", "end"], ["u"], {})],
    [("u", T.FLOAT, ("M", 3))],
    {"begin": [1], "end": [1000000]},
)
write(  # how many columns it leaves out depends on their numbers
    "refused/positive",
    [("x", T.FLOAT, (N, 3)), ("t", T.FLOAT, (N, 1))],
    [
        ("Mul", ["x", "t"], ["y"], {}),
        ("ReduceMax", ["x"], ["most"], {"axes": [1], "keepdims": 0}),
        ("Greater", ["most", "zero"], ["chosen"], {}),
        ("Compress", ["y", "chosen"], ["u"], {"axis": 0}),
    ],
    [("u", T.FLOAT, ("M", 3))],
    {"zero": np.float32(0)},
)
# A pair whose products have another dimension, and one whose product lacks its direction.
product("refused/pair", (N, 1))
product("refused/pair.vjp", (N, 1), x=(N, 2), more=[("cotangent", T.FLOAT, (N, 2))])
product("refused/undirected", (N, 1))
product("refused/undirected.vjp", (N, 1))
