"""Templates: what a CRM wrote once and says often, kept in versions, judged when it is saved, filled when a message is accepted."""
