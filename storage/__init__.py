"""PostgreSQL, and nothing but PostgreSQL: every row that the house keeps is written and read here."""
