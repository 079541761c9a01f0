"""What a report on a loader holds, and how it is written: text, JSON, a page, a trace."""

from dataload.report.figures import Report as Report
from dataload.report.figures import Tried as Tried
from dataload.report.writing import write_report as write_report
