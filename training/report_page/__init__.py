"""The audit as one page: report.json to HTML that needs no network, no script and no colour to be read."""
