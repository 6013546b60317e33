"""Renders a report again: `python -m training.report_page REPORT.json --out PAGE.html`."""

import argparse
import json
import sys
from pathlib import Path

from svc.errors import ServiceError
from training.report_json import write_text
from training.report_page.page import render_page
from training.report_page.weights_log import read_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="report.json of `equivox evaluate verification`")
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    parser.add_argument(
        "--weights", type=Path, help="OUT/curves of training.train_embedder: adds the adversary's weights"
    )
    chosen = parser.parse_args()
    try:
        raw = json.loads(chosen.report.read_text(encoding="utf-8"))
        write_text(chosen.out, render_page(raw, read_weights(chosen.weights) if chosen.weights else ()))
    except (ServiceError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
