"""Where providers call in: verify, hand over, and answer only once what they told is kept."""
