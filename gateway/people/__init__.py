"""People as the CRM describes them and as they are forgotten: profiles, imports, what stands of their word, registers, export, erasure."""
