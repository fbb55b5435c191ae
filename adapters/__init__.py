"""Ways out: one file a provider, each with its settings, its status table, ``send``, ``read`` and a ``SPEC``."""
