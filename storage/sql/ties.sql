-- Who is bound by the word of another, because they owe the same debt or answer the same telephone.

-- name: owing_together
-- Who else is tied to a debt that one of the named people is tied to, with whose tie it is; as far as the limit $3 goes.
SELECT DISTINCT mine.tenant, mine.contact AS who, theirs.contact AS other
FROM unnest($1::text[], $2::text[]) AS named(tenant, contact)
JOIN debt_contact mine ON mine.tenant = named.tenant AND mine.contact = named.contact
JOIN debt_contact theirs ON theirs.tenant = mine.tenant AND theirs.debt = mine.debt AND theirs.contact <> mine.contact
ORDER BY mine.tenant, mine.contact, theirs.contact LIMIT $3

-- name: reached_by
-- Who of the same tenant uses the address that one of these attempts went to, on its channel; as far as the limit $2 goes.
SELECT DISTINCT a.tenant, o.contact
FROM attempt a JOIN address o ON o.tenant = a.tenant AND o.channel = a.channel AND o.address = a.address
WHERE a.id = ANY($1::uuid[]) ORDER BY a.tenant, o.contact LIMIT $2
