-- name: learn
-- Add up what contacts reserved since an event's id ($1) came to, by day, country, channel, hours and kind of day; $2 to $5 are the worth
-- of a delivery, a reading, an answer and a promise, $6 is how long an answer is one, $7 the hours of a bucket. A day of which only
-- a part is looked at has fewer contacts than what stands, and changes nothing.
WITH zones AS MATERIALIZED (
  SELECT name FROM pg_timezone_names
), made AS (
  SELECT tenant, contact, channel, at, outcome,
    lead(at) OVER (PARTITION BY tenant, contact, channel ORDER BY at, id) AS next_at
  FROM contact_event
  WHERE id >= $1 AND type = 'contact' AND attempt IS NOT NULL AND outcome <> 'failed' AND superseded_by IS NULL
), weighed AS (
  SELECT made.tenant, made.channel, coalesce(left(person.jurisdictions[1], 2), left(person.residence, 2), '') AS country,
    made.at AT TIME ZONE coalesce(zones.name, 'UTC') AS there, zones.name IS NOT NULL AS known,
    CASE
      WHEN NOT (made.outcome = 'conversation' OR coalesce(heard.answered, false)) THEN CASE
        WHEN made.outcome IN ('delivered', 'voicemail_reached', 'voicemail_left') THEN $2::double precision
        WHEN made.outcome IN ('read', 'connected') THEN $3::double precision
        ELSE 0 END
      WHEN coalesce(heard.stopped, false) THEN 0
      WHEN coalesce(heard.promised, false) THEN $5::double precision
      ELSE $4::double precision
    END AS gain
  FROM made
  JOIN contact person ON person.tenant = made.tenant AND person.id = made.contact
  LEFT JOIN zones ON zones.name = person.zones[1]
  LEFT JOIN LATERAL (
    SELECT bool_or(said.type = 'reply' AND said.channel = made.channel) AS answered,
      bool_or(said.type = 'promise' AND coalesce(said.detail ->> 'ended', 'false') = 'false') AS promised,
      bool_or(said.type = 'consent' AND said.detail ->> 'state' = 'withdrawn') AS stopped
    FROM contact_event said
    WHERE said.tenant = made.tenant AND said.contact = made.contact AND said.type IN ('reply', 'promise', 'consent')
      AND said.at > made.at AND said.at < least(made.at + $6::interval, coalesce(made.next_at, 'infinity'))
      AND said.superseded_by IS NULL
  ) heard ON true
)
INSERT INTO auto_evidence (tenant, day, country, channel, bucket, weekend, tries, gain)
SELECT tenant, there::date, country, channel, CASE WHEN known THEN floor(extract(hour FROM there) / $7::integer) ELSE -1 END,
  extract(isodow FROM there) > 5, count(*), sum(gain)
FROM weighed GROUP BY 1, 2, 3, 4, 5, 6
ON CONFLICT (tenant, day, country, channel, bucket, weekend) DO UPDATE SET tries = excluded.tries, gain = excluded.gain
WHERE excluded.tries >= auto_evidence.tries

-- name: evidence
-- What tenants' contacts since a day came to, all days together.
SELECT tenant, country, channel, bucket, weekend, sum(tries)::double precision AS tries, sum(gain) AS gain
FROM auto_evidence WHERE tenant = ANY($1::text[]) AND day >= $2::date
GROUP BY tenant, country, channel, bucket, weekend

-- name: forget
-- Days that nothing counts any more.
DELETE FROM auto_evidence WHERE day < $1::date
