"""What exported PyTorch modules are made of. Nothing here is imported: `deployment.pytorch` copies what a network needs."""
