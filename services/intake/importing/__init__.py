"""Answers out of files: CSV, NDJSON, Parquet and XLSX, as exports of survey tools have them.

Good rows go in, bad ones into a reject file beside the file, with line and reason; mended there, that file can be
imported. The same file imported twice counts once: a row without an id gets one from the file's digest and its number.
"""

from services.intake.importing.columns import Wishes
from services.intake.importing.csv_sheet import ENCODINGS
from services.intake.importing.importer import Import, Importer, Report, Tell
from services.intake.importing.moments import ORDERS
from services.intake.importing.preview import Seen, preview

__all__ = ["ENCODINGS", "ORDERS", "Import", "Importer", "Report", "Seen", "Tell", "Wishes", "preview"]
