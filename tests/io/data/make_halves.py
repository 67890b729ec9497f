"""Writes halves.safetensors: numbers, and the bits of their nearest float16 and bfloat16 by numpy and PyTorch."""
import json
import struct

import numpy
import torch

rng = numpy.random.default_rng(0)
size = numpy.exp2(rng.uniform(-27, 15.99, 500))
numbers = size * rng.choice([-1.0, 1.0], 500)
numbers[:10] = [0, -0.0, 1 + 2**-11, 1 + 3 * 2**-11, 1 + 2**-11 + 2**-40, 65504, 65519.99, 2**-25, 2**-24, 2**-14]
floats = numbers.astype(numpy.float32)
tensors = {
    "numbers": ("F64", numbers.tobytes()),
    "float16": ("U16", numbers.astype(numpy.float16).tobytes()),
    "floats": ("F32", floats.tobytes()),
    "bfloat16": ("U16", torch.tensor(floats).to(torch.bfloat16).view(torch.int16).numpy().tobytes()),
}
header, data = {}, b""
for name, (dtype, values) in tensors.items():
    header[name] = {"dtype": dtype, "shape": [500], "data_offsets": [len(data), len(data) + len(values)]}
    data += values
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open("halves.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
