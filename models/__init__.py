"""NNabla graph builders: variables in, variables out."""
