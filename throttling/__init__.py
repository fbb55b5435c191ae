"""When and how often: hours, counts, distances and the pace of a way, as pure functions over facts."""
