"""What the models of this repository learn from."""
