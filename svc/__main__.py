"""The `equivox` command. The base install is the client library alone; this says so when the rest is missing."""

import os
import sys
from importlib.util import find_spec

NEEDED = ("typer", "rich", "numpy", "soundfile")


def main() -> None:
    """Entry point of the `equivox` script and of `python -m svc`."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        print(
            f"equivox: the command line needs {', '.join(missing)}; this install is the client library alone.\n"
            "  pip install 'equivox[server]', from a checkout '.[server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    # numpy's products are small here, and its helper threads stay awake for the next one: a quarter of what live
    # streams cost. Read once, when numpy is first imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from svc.cli.app import app  # after the check: the base install has none of what it imports

    app(prog_name="equivox")


if __name__ == "__main__":
    main()
