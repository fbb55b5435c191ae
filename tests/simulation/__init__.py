"""The real code under a seeded virtual clock: carriers, people, crashes and commits that nobody can replay by hand."""
