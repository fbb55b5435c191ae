"""Her page: the links that open it, what it shows, and what she says on it."""
