"""The console: what an officer asks of the trace, one page for each question."""
