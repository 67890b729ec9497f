#!/usr/bin/env python3
"""Writes a function of JAX or PyTorch, and its products with the Jacobian, as the ONNX files that diamond::openvino reads.

    from export import jax_to_onnx                    # or torch_to_onnx
    jax_to_onnx(u, "flow.onnx", {"x": (2,), "t": ()})  # writes flow.onnx, flow.vjp.onnx and flow.jvp.onnx

`u(x, t)` works on arrays of N rows, x (N, 2) and t (N,), and returns (N, 2). The inputs are named in the order in which the function
takes them; each has the shape that a row has, () for a number a row, and "int32" or "int64" in its place stands for labels, (N,). A velocity
field has the states x; a Diamond network v(xbar, x_t, t, s, r) has xbar and x_t. The files written are

    NAME.onnx      the function
    NAME.vjp.onnx  with one more input, cotangent, shaped as the output: cotangent^T du/dx; of a Diamond network the outputs of_xbar and of_x_t
    NAME.jvp.onnx  with one more input, tangent, shaped as the first state: du/dx tangent, or dv/dxbar tangent

each for any N. Parameters are what the function closes over: of Flax or Equinox `lambda x, t: model.apply(weights, x, t)`, of a torch
module the module itself.

JAX needs the packages jax and jax2onnx. PyTorch needs torch 2 and onnxscript: derivatives are traced by make_fx into plain operations, so
the module must have no branch that depends on numbers.

    python3 export.py FOLDER [--torch]   # a velocity as an example: FOLDER/two_clusters.onnx, .vjp.onnx, .jvp.onnx
"""
import argparse
import pathlib

STATES = ("x", "xbar", "x_t")


def derivatives(function, names, vjp_of, jvp_of):
    """The three functions to export with the names of their inputs and outputs; vjp_of and jvp_of are the framework's."""
    states = [i for i, name in enumerate(names) if name in STATES]
    if not states:
        raise SystemExit(f"export.py: none of the inputs {', '.join(names)} is a state: {', '.join(STATES)}")

    def at(inputs):  # the function of its states alone
        def of_states(*values):
            all_inputs = list(inputs)
            for i, value in zip(states, values):
                all_inputs[i] = value
            return function(*all_inputs)

        return of_states

    def vjp(*inputs):
        *inputs, cotangent = inputs
        return vjp_of(at(inputs), [inputs[i] for i in states], cotangent)

    def jvp(*inputs):
        *inputs, tangent = inputs
        others = at(inputs)
        first, *rest = (inputs[i] for i in states)
        return jvp_of(lambda state: others(state, *rest), first, tangent)

    of_states = [f"of_{names[i]}" for i in states]
    return (("", function, [*names], ["out"]), (".vjp", vjp, [*names, "cotangent"], of_states), (".jvp", jvp, [*names, "tangent"], ["out"]))


def all_inputs(inputs, suffix):
    """Each input's shape behind N and its type; a direction is shaped as the first state."""
    rows = {name: ((), shape) if isinstance(shape, str) else (tuple(shape), "float32") for name, shape in inputs.items()}
    if suffix:
        rows["direction"] = next(row for name, row in rows.items() if name in STATES)
    return rows.values()


def jax_to_onnx(function, file, inputs):
    """Writes the three files of a JAX function."""
    import jax
    from jax2onnx import to_onnx

    def vjp_of(of_states, states, cotangent):
        result = jax.vjp(of_states, *states)[1](cotangent)
        return result[0] if len(result) == 1 else result

    def jvp_of(of_state, state, tangent):
        return jax.jvp(of_state, (state,), (tangent,))[1]

    for suffix, graph, names, outputs in derivatives(function, list(inputs), vjp_of, jvp_of):
        shapes = [jax.ShapeDtypeStruct(("N", *shape), dtype) for shape, dtype in all_inputs(inputs, suffix)]
        save(to_onnx(graph, shapes), pathlib.Path(file).with_suffix(f"{suffix}.onnx"), names, outputs)


def torch_to_onnx(function, file, inputs):
    """Writes the three files of a PyTorch function or module, which must be in evaluation mode."""
    import torch
    from torch._decomp import decomposition_table
    from torch.fx.experimental.proxy_tensor import make_fx

    def vjp_of(of_states, states, cotangent):
        result = torch.func.vjp(of_states, *states)[1](cotangent)
        return result[0] if len(result) == 1 else result

    def jvp_of(of_state, state, tangent):  # the reverse pass is linear in its cotangent, and its own reverse pass is the forward one
        out, pull = torch.func.vjp(of_state, state)
        return torch.func.vjp(lambda cotangent: pull(cotangent)[0], torch.zeros_like(out))[1](tangent)[0]

    backward = {op: rule for op, rule in decomposition_table.items() if "backward" in str(op)}  # which ONNX does not have
    rows, columns = 5, torch.export.Dim("N", min=1)
    for suffix, graph, names, outputs in derivatives(function, list(inputs), vjp_of, jvp_of):
        given = tuple(
            torch.rand(rows, *shape) if dtype == "float32" else torch.zeros(rows, *shape, dtype=getattr(torch, dtype))
            for shape, dtype in all_inputs(inputs, suffix)
        )
        with torch.no_grad():
            traced = make_fx(graph, backward, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*given)
            exported = torch.onnx.export(traced, given, dynamic_shapes=tuple({0: columns} for _ in given), dynamo=True, verbose=False)
        save(exported.model_proto, pathlib.Path(file).with_suffix(f"{suffix}.onnx"), names, outputs)


def save(model, file, inputs, outputs):
    """Writes a model whose inputs and outputs have their names, all other values numbers, and without notes of where they came from."""
    import onnx

    graph = model.graph
    new = {"": ""} | {port.name: name for port, name in zip(graph.input, inputs)} | {port.name: name for port, name in zip(graph.output, outputs)}
    inner = lambda value: new.setdefault(value, f"_{len(new)}")
    for node in graph.node:
        values = [[inner(value) for value in side] for side in (node.input, node.output)]
        node.input[:], node.output[:] = values
        del node.metadata_props[:]
        node.name = node.doc_string = ""
    for port in (*graph.input, *graph.output, *graph.initializer):
        port.name = inner(port.name)
    del graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, file)


def two_clusters(m, tanh, v=0.2):
    """The velocity of data around m and -m, N(+-m, v I), under the linear schedule, as examples/own_network.cpp has it."""

    def velocity(x, t):
        t = t[:, None]
        s = 1 - t
        variance = t * t * v + s * s
        projection = (x * m).sum(1)[:, None]
        return ((t * v - s) * x + s * tanh(t * projection / variance) * m) / variance

    return velocity


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--torch", action="store_true", help="by PyTorch, not by JAX")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    file, inputs = options.folder / "two_clusters.onnx", {"x": (2,), "t": ()}
    if options.torch:
        import torch

        torch_to_onnx(two_clusters(torch.tensor([1.5, -0.5]), torch.tanh), file, inputs)
    else:
        import jax.numpy as jnp

        jax_to_onnx(two_clusters(jnp.array([1.5, -0.5]), jnp.tanh), file, inputs)


if __name__ == "__main__":
    main()
