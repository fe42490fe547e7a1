"""What a run leaves behind for people and programs."""

from fer_fast.report.metrics_file import metrics_document, save_metrics
from fer_fast.report.summary import summary

__all__ = ["metrics_document", "save_metrics", "summary"]
