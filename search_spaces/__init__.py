"""What can be found: the encodings of the three search spaces and their files. Python and NumPy only."""
