"""Writes three.safetensors with nothing but the standard library, from the format's description."""
import json
import struct

tensors = {
    "layers.0.weight": ("F32", [2, 3], struct.pack("<6f", 0, 0.5, -1, 1.5, 2, 1e-40)),
    "größe": ("I64", [], struct.pack("<q", -(2**63))),
    "empty": ("F64", [0, 4], b""),
}
header, data = {"__metadata__": {"schedule": "linear", "note": 'a "quoted"\nline, 漢字'}}, b""
for name, (dtype, shape, values) in tensors.items():
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
    data += values
text = json.dumps(header).encode()  # non-ASCII as \u escapes, spaces after separators: not as we write it
text += b" " * (-len(text) % 8)
with open("three.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
