"""The words of the house: what everything above speaks about, and nothing that acts."""
