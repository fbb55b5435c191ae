"""Simulated carriers that speak the real protocols, and a telephone to look at: for development and tests only."""
