"""The roof: accepts, decides, dispatches, receives, notifies and sweeps; the API, the worker and the command line."""
