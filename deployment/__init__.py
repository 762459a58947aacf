"""What a network costs and what it becomes: parameters and multiply-adds, NNP and ONNX, pictures in."""
