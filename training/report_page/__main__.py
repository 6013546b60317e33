"""Renders a report again, or puts it where a server finds it.

python -m training.report_page REPORT.json --out PAGE.html
python -m training.report_page REPORT.json --artifact FOLDER      for Models.GetFairnessReport: FOLDER is that of the
                                                                  calibration, embedder or transcriber it is of
"""

import argparse
from pathlib import Path

from training.command_line import file_to_write, mistakes_told
from training.report_json import read_json, write_text
from training.report_page.attaching import attach
from training.report_page.page import render_page
from training.report_page.page_weights import WeightSeries
from training.report_page.recognition import render_recognition


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "report", type=Path, help="report.json of `equivox evaluate verification`, or of training.discover_cohorts"
    )
    parser.add_argument("--out", type=file_to_write, help="the page to write")
    parser.add_argument("--artifact", type=Path, help="folder of the calibration, embedder or transcriber it is of")
    parser.add_argument(
        "--weights", type=Path, help="OUT/curves of training.train_embedder: adds the adversary's weights"
    )
    chosen = parser.parse_args()
    if not (chosen.out or chosen.artifact):
        parser.error("give --out PAGE, --artifact FOLDER, or both")
    with mistakes_told():
        raw = read_json(chosen.report)
        if "rankings" in raw:
            page = render_recognition(raw)
        else:
            page = render_page(raw, _weights(chosen.weights) if chosen.weights else ())
        if chosen.out:
            write_text(chosen.out, page)
            print(f"wrote {chosen.out}")
        if chosen.artifact:
            attach(raw, page, chosen.artifact)
            print(f"put beside {chosen.artifact}, for Models.GetFairnessReport of a server that runs it")


def _weights(folder: Path) -> tuple[WeightSeries, ...]:
    # TensorBoard reads them, which servers do not have.
    from training.report_page.weights_log import read_weights

    return read_weights(folder)


if __name__ == "__main__":
    main()
