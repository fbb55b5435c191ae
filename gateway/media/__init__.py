"""What is heard and seen: recordings and spoken notes for what leaves, links to them, and what came with replies."""
