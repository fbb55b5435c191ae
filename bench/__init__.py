"""Measures the gateway under the common workload, beside floors taken in the same run on the same machine."""
