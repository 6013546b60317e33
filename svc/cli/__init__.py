"""The command line: in process by default, or against a server."""
