"""What a network costs and what it becomes: parameters and multiply-adds, NNP, ONNX and PyTorch, pictures in."""
