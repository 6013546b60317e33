"""Equivox: the contract and its Python client. The only package a caller needs."""
