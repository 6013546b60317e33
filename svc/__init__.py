"""ONLINE: everything a request needs at run time."""
