"""What a run leaves behind for people and programs."""

from fer_fast.report.audit import integrity_table, protocol_table
from fer_fast.report.metrics_file import metrics_document, save_metrics
from fer_fast.report.summary import summary

__all__ = [
    "integrity_table",
    "metrics_document",
    "protocol_table",
    "save_metrics",
    "summary",
]
