"""How an exported module reads its weights, with PyTorch alone."""

import json
import pathlib

import torch


def read_safetensors(path):
    """(tensors by name, facts by name) of a .safetensors file of float32 tensors."""
    data = bytearray(pathlib.Path(path).read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    facts = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        values = torch.frombuffer(data, dtype=torch.float32, count=(end - start) // 4, offset=begin + start)
        tensors[name] = values.reshape(entry["shape"])
    return tensors, facts
