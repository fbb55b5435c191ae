"""Deciding: the facts of one case and the law in; the answer, its reasons and its instants out, in words too. No database, no clock."""
