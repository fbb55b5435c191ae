"""Reports that somebody files: one neutral document, written as PDF, CSV or lines of JSON."""
