"""Voice notes: spoken or recorded words become mono OGG/Opus, in a process of its own."""
