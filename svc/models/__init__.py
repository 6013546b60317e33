"""Tensors to tensors: architectures without files or sessions."""
