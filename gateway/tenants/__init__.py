"""Whoever uses the gateway: tenants and their keys, what they may ask of it, and the policy each has set."""
