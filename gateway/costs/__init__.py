"""What messages cost: expected before, billed afterwards, and held to the caps of a policy."""
