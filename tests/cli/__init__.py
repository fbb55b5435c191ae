"""The command line as people meet it, apart from what each command does."""
