"""`make bench-intake`: how fast answers come in, over HTTP and out of files; the last line is JSON.

single_per_s              answers a second, one a request, each of a new person; the load generator takes its part
single_p99_ms             of a hundred such requests 99 are answered within so many milliseconds
single_ratio              against a bare Starlette route that produces to the same Kafka
batch_per_s               answers a second in batches of 500
import_rows_per_s         rows a second out of a CSV file without personal data, on one core
import_sealed_rows_per_s  the same with a new person in every row
import_rss_growth_mib     by how much the process grows over 1,000,000 rows
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from infra.local.kafka_broker import running_broker
from tests.bench import importing, single


def main() -> None:
    """Runs both halves, each on a broker of its own."""
    figures = single.measure()
    with tempfile.TemporaryDirectory(prefix="nps-bench-") as name, running_broker(Path(name) / "kafka") as broker:
        figures |= importing.measure(broker.bootstrap, Path(name))
    sys.stdout.write(json.dumps({name: round(value, 3) for name, value in figures.items()}) + "\n")


if __name__ == "__main__":
    main()
