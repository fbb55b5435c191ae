"""Which way a message takes: those that work and are at hand, channel after channel, within what a platform allows a portfolio."""
