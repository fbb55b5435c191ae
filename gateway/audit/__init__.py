"""What compliance asks of the past: how near each limit is, what broke one, what another law would have said, and the proof."""
