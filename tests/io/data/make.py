"""Writes the npy files of this folder with numpy, whose word on the format is the last."""
import numpy as np
from numpy.lib import format as npy

ramp = np.arange(12)
for name, dtype in [("uint8", "u1"), ("int32", "<i4"), ("int64", "<i8"), ("uint64", "<u8"), ("float", "<f4"), ("double", "<f8")]:
    np.save(f"{name}_3x4.npy", (ramp * 3 - (0 if dtype[-2] == "u" else 7)).astype(dtype).reshape(3, 4))
for version in [(2, 0), (3, 0)]:
    with open(f"float_3x4_version_{version[0]}.npy", "wb") as file:
        npy.write_array(file, (ramp * 3 - 7).astype("<f4").reshape(3, 4), version=version)
np.save("float_no_axes.npy", np.float32(2.5))
np.save("float_0x64.npy", np.zeros((0, 64), "<f4"))
np.save("float_2x3x2.npy", (ramp / 8).astype("<f4").reshape(2, 3, 2))
np.save("fortran_3x4.npy", np.asfortranarray(ramp.astype("<f4").reshape(3, 4)))
np.save("fortran_5.npy", np.asfortranarray(np.arange(5, dtype="<f4")))
np.save("big_endian_3x4.npy", ramp.astype(">f4").reshape(3, 4))
np.save("bool_4.npy", np.array([True, False, True, True]))
np.save("structured_2.npy", np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]))
