"""What people allowed, took back and meant: statements, standing, permission and the words of replies."""
