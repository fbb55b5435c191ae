"""Pages that people open: the documentation, and later the console and the page of the person in debt."""
