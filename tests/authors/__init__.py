"""The authors' TensorFlow names and layouts, translated into ours, for the parity comparison."""
