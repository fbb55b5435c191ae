"""A campaign out of a file: its first line read, and each row made into one message."""
