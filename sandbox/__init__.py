"""Simulated carriers that speak the real protocols, and the servers a newcomer needs: development and tests only."""
