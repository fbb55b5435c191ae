"""What the person to whom we wrote sees and says: her page, in her language, with nothing on it but ours."""
