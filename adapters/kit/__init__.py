"""What every adapter shares: the port it meets, the one HTTP transport, signing, discovery and the test bench."""
