"""Generated messages and stubs of package equivox.v1; `make protos` writes them."""
