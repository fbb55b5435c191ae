-- name: until
-- What stands in the trace now: a working house writes on while its parts are read one after the other, and what became of a contact
-- between two of them would be missing beside the next one.
SELECT set_config('recheck.until', (coalesce(max(idx), -1) + 1)::text, true) FROM trace WHERE tenant = $1

-- name: entries
-- What people said and what became known of them, read from the headers that were hashed, not from the columns beside them.
CREATE TEMP TABLE recheck_entry ON COMMIT DROP AS
SELECT t.idx, h.kind, h.at, h.subject, h.facts AS f
FROM trace t, jsonb_to_record(convert_from(t.header, 'UTF8')::jsonb) AS h (kind text, at timestamptz, subject text, facts jsonb)
WHERE t.tenant = $1 AND t.idx < current_setting('recheck.until')::bigint AND t.kind IN ('event', 'reply')

-- name: endings
-- What became of attempts, word by word as it was told.
CREATE TEMP TABLE recheck_ending ON COMMIT DROP AS
SELECT t.idx, h.kind, h.at, h.message, x.attempt, x.outcome, x.kind AS told, x.was, x.result
FROM trace t, json_to_record(convert_from(t.header, 'UTF8')::json) AS h (kind text, at timestamptz, message text, facts json),
  json_to_record(h.facts) AS x (attempt text, outcome text, kind text, was text, result text)
WHERE t.tenant = $1 AND t.idx < current_setting('recheck.until')::bigint AND t.kind IN ('settled', 'receipt')

-- name: endings_by_attempt
-- What became of an attempt is looked up once for each.
CREATE INDEX ON recheck_ending (attempt)

-- name: contacts
-- Every contact: those that we made, with what became of them, and those that happened elsewhere. ``gone``: provably never left us.
-- ``shape``: everything by which a clause may or may not speak to it, so that clauses are matched once a shape and not once a contact.
-- ``day`` and ``second``: its date, and its second of the week, where she is. A header is taken apart once, in one pass: a document that is kept, and asked again for each field, costs four times as much.
CREATE TEMP TABLE recheck_contact ON COMMIT DROP AS
WITH ended AS (
  SELECT attempt,
    bool_or(kind = 'settled' AND outcome IN ('not_sent', 'rejected')
            OR kind = 'receipt' AND told = 'failed' AND was = 'unknown') AS refused,
    -- The provider's own later word that it arrived after all.
    bool_or(kind = 'receipt' AND was IN ('not_sent', 'rejected')
            AND told IN ('accepted', 'sent', 'undelivered', 'delivered', 'read')) AS came_after_all,
    bool_or(kind = 'receipt' AND told = 'read') AS was_read,
    bool_or(kind = 'receipt' AND told = 'delivered') AS was_delivered,
    (array_agg(result ORDER BY idx DESC) FILTER (WHERE kind = 'receipt' AND result IS NOT NULL))[1] AS result
  FROM recheck_ending GROUP BY 1
), corrected AS (
  SELECT f ->> 'corrects' AS event FROM recheck_entry WHERE kind = 'event' AND f ? 'corrects'
)
SELECT t.idx, h.at, h.subject, h.message, true AS ours, x.attempt, x.channel, x.form, x.purpose, x.creditor, x.collector,
  coalesce(x.debts, '{}') AS debts, x.endpoint, x.address_kind, x.address_source, x.role, x.sender_role, x.sector,
  coalesce(x.answers, false) AS answers, coalesce(x.zones, '{}') AS zones, coalesce(x.packs, '{}') AS packs,
  x.overridden,
  coalesce(e.refused AND NOT e.came_after_all, false) AS gone,
  coalesce(e.result, CASE WHEN e.was_read THEN 'read' WHEN e.was_delivered THEN 'delivered' ELSE 'attempted' END) AS outcome,
  wall::date AS day,
  -- The first of January 1970 was a Thursday.
  ((floor(extract(epoch FROM wall))::bigint + 3 * 86400) % (7 * 86400))::int AS second,
  ROW(x.packs, x.channel, x.form, x.purpose, x.sender_role, x.sector, x.role, x.address_kind, x.address_source, x.answers,
    x.overridden::text)::text AS shape
FROM trace t CROSS JOIN LATERAL json_to_record(convert_from(t.header, 'UTF8')::json)
    AS h (at timestamptz, subject text, message text, facts json)
  CROSS JOIN LATERAL json_to_record(h.facts) AS x (
    attempt text, channel text, form text, purpose text, creditor text, collector text, debts text[], endpoint text,
    address_kind text, address_source text, role text, sender_role text, sector text, answers boolean, zones text[],
    packs text[], overridden json)
  CROSS JOIN LATERAL (SELECT h.at AT TIME ZONE coalesce(x.zones[1], 'UTC') AS wall) there
  LEFT JOIN ended e ON e.attempt = x.attempt
WHERE t.tenant = $1 AND t.idx < current_setting('recheck.until')::bigint AND t.kind = 'reserved'
UNION ALL
SELECT idx, (f ->> 'on')::timestamptz, subject, NULL, false, NULL,
  f ->> 'channel', f ->> 'form', f ->> 'purpose', f ->> 'creditor', f ->> 'collector',
  ARRAY(SELECT jsonb_array_elements_text(coalesce(f -> 'debts', '[]'))), f ->> 'address', f ->> 'address_kind', NULL,
  f ->> 'role', NULL, NULL, coalesce((f ->> 'reply_to_inbound')::boolean, false), '{}', '{}', NULL,
  f ->> 'outcome' = 'failed', f ->> 'outcome', NULL, NULL, NULL
FROM recheck_entry WHERE kind = 'event' AND f ->> 'type' = 'contact' AND f ->> 'event' NOT IN (SELECT event FROM corrected)

-- name: contacts_by_person
-- Each contact is compared with earlier ones of the same person.
CREATE INDEX ON recheck_contact (subject, at)

-- name: shapes
-- The few shapes that the contacts have which are asked about, each with what one of its contacts shows of it.
-- ``liftable``: the exemptions that may lift a clause for it; those that are for messages of one kind are left out of all others.
CREATE TEMP TABLE recheck_shape ON COMMIT DROP AS
SELECT c.shape, c.packs, c.channel, c.form, c.purpose, c.sender_role, c.sector, c.role, c.address_kind, c.address_source,
  ARRAY(SELECT each ->> 'rule' FROM json_array_elements(coalesce(c.overridden, '[]')) each) AS overridden,
  CASE WHEN c.answers THEN ARRAY['answer'] ELSE '{}' END || ARRAY['consent', 'used_address', 'registered_template', c.purpose] AS liftable
FROM (
  SELECT shape, min(idx) AS idx FROM recheck_contact
  WHERE ours AND at >= current_setting('recheck.since')::timestamptz GROUP BY shape
) one JOIN recheck_contact c ON c.idx = one.idx AND c.ours

-- name: said
-- What a person said, and what became known of her; ``state`` is the part that matters, in one word.
CREATE TEMP TABLE recheck_said ON COMMIT DROP AS
SELECT idx, (f ->> 'on')::timestamptz AS at, subject, f ->> 'type' AS type, f ->> 'channel' AS channel, f ->> 'address' AS endpoint,
  CASE WHEN f ? 'debts' THEN ARRAY(SELECT jsonb_array_elements_text(f -> 'debts')) END AS debts, f
FROM recheck_entry
WHERE kind = 'event' AND f ->> 'type' <> 'contact'
  AND f ->> 'event' NOT IN (SELECT f ->> 'corrects' FROM recheck_entry WHERE kind = 'event' AND f ? 'corrects')
UNION ALL
SELECT idx, at, subject, 'reply', f ->> 'channel', f ->> 'endpoint', NULL, f FROM recheck_entry WHERE kind = 'reply'

-- name: said_by_person
-- Looked up by person and kind.
CREATE INDEX ON recheck_said (subject, type, at)

-- name: allowed
-- What was allowed and taken back, in columns: every contact that needs a consent is held against it.
CREATE TEMP TABLE recheck_word ON COMMIT DROP AS
SELECT idx, at, subject, channel, endpoint, debts, coalesce(f ->> 'state' = 'granted', false) AS granted, coalesce((f ->> 'all')::boolean, false) AS everywhere,
  f ->> 'purpose' AS purpose, f ->> 'instrument' AS instrument, f ->> 'given_to' AS given_to
FROM recheck_said WHERE type = 'consent' AND f ->> 'grants' IS NULL

-- name: allowed_by_person
-- Looked up by person.
CREATE INDEX ON recheck_word (subject)

-- name: law
-- The packs' clauses as rows. ``reach``: how far back a clause that counts can look at the most, on whatever clock; ``opens``:
-- the seconds of an ordinary week that its hours allow; ``lifted_by``: the kinds of exemption that it has; ``asked_from`` and
-- ``asked_to``: when a contact was made that is asked about.
CREATE TEMP TABLE recheck_clause ON COMMIT DROP AS
SELECT row_number() OVER () AS no, x.*, ARRAY(SELECT each ->> 'lift' FROM jsonb_array_elements(x.lifts) each) AS lifted_by,
  CASE x.params ->> 'unit'
    WHEN 'elapsed' THEN make_interval(secs => (x.params ->> 'seconds')::float)
    WHEN 'iso week' THEN interval '9 days'
    WHEN 'calendar month' THEN interval '33 days'
    ELSE make_interval(days => (x.params ->> 'number')::int + 2)
  END AS reach,
  (SELECT range_agg(int4range((day.n - 1)::int * 86400 + span.begins, (day.n - 1)::int * 86400 + span.ends))
   FROM jsonb_array_elements(x.params -> 'days') WITH ORDINALITY AS day (spans, n),
     LATERAL (
       SELECT 0 AS begins, 86400 AS ends WHERE jsonb_typeof(day.spans) = 'null'
       UNION ALL
       SELECT (each ->> 0)::int, (each ->> 1)::int
       FROM jsonb_array_elements(CASE WHEN jsonb_typeof(day.spans) = 'null' THEN '[]' ELSE day.spans END) each
     ) span
   WHERE x.kind = 'hours') AS opens,
  x.params ->> 'clock' AS clock, x.params ->> 'calendar' AS calendar,
  greatest(x.since, asked.since) AS asked_from, coalesce(x.until, 'infinity') AS asked_to
FROM (SELECT current_setting('recheck.since')::timestamptz AS since) asked,
  jsonb_to_recordset($1::jsonb) AS x (
  label text, rule text, kind text, channels text[], forms text[], purposes text[], purposes_except text[], sender_roles text[],
  sectors text[], roles text[], roles_except text[], address_kinds text[], begins date, ends date, lifts jsonb, params jsonb,
  since timestamptz, until timestamptz
)

-- name: holidays
-- The packs' holidays as rows.
CREATE TEMP TABLE recheck_holiday ON COMMIT DROP AS
SELECT * FROM unnest($1::text[], $2::text[], $3::date[]) AS x (label, calendar, day)

-- name: holidays_by_day
-- Asked for every contact and zone.
CREATE INDEX ON recheck_holiday (label, calendar, day)

-- name: speaks
-- Which clauses speak to contacts of which shape: bound by one of its packs and not set aside. ``may_lift``: one of the clause's
-- exemptions may be for such a message; where none is, nothing is called.
CREATE TEMP TABLE recheck_speaks ON COMMIT DROP AS
SELECT s.shape, k.no, k.kind, k.lifted_by && s.liftable AS may_lift
FROM recheck_shape s CROSS JOIN LATERAL unnest(s.packs) AS pack (label) JOIN recheck_clause k ON k.label = pack.label
WHERE (k.channels IS NULL OR s.channel = ANY (k.channels))
  AND (k.forms IS NULL OR s.form = ANY (k.forms))
  AND (k.purposes IS NULL OR s.purpose = ANY (k.purposes))
  AND (k.purposes_except IS NULL OR s.purpose <> ALL (k.purposes_except))
  AND (k.sender_roles IS NULL OR s.sender_role = ANY (k.sender_roles))
  AND (k.sectors IS NULL OR s.sector IS NULL OR s.sector = ANY (k.sectors))
  AND (k.roles IS NULL OR s.role = ANY (k.roles))
  AND (k.roles_except IS NULL OR s.role <> ALL (k.roles_except))
  AND (k.address_kinds IS NULL OR s.address_kind = ANY (k.address_kinds))
  AND k.rule <> ALL (s.overridden)
  -- What a rule forbids whatever happened is seen by the shape alone.
  AND (k.kind <> 'barred' OR
    (k.params ->> 'roles' IS NULL OR k.params -> 'roles' ? s.role)
    AND (k.params ->> 'address_kinds' IS NULL OR k.params -> 'address_kinds' ? s.address_kind)
    AND (k.params ->> 'address_sources' IS NULL OR k.params -> 'address_sources' ? s.address_source))

-- name: kinds
-- What the clauses ask that speak to anybody, and whether one of them counts what was said to others about the same debt.
SELECT DISTINCT p.kind, coalesce(k.params ? 'pool', false) AS pooled FROM recheck_speaks p JOIN recheck_clause k ON k.no = p.no

-- name: contacts_by_debt
-- Some counts are kept for a debt, whoever was contacted about it.
CREATE INDEX ON recheck_contact USING gin (debts)

-- name: close
-- Contacts with another of the same person's so shortly before that a clause which counts could look at it.
CREATE TEMP TABLE recheck_close ON COMMIT DROP AS
SELECT idx, previous FROM (
  SELECT idx, ours, at, lag(at) OVER (PARTITION BY subject ORDER BY at, idx) AS previous FROM recheck_contact WHERE NOT gone
) followed
WHERE ours AND previous > at - (SELECT max(reach) FROM recheck_clause WHERE kind IN ('count', 'gap', 'sticky'))

-- name: alike
-- A call by a person and a call by a machine are one way.
CREATE OR REPLACE FUNCTION pg_temp.way(channel text) RETURNS text IMMUTABLE LANGUAGE sql AS
$$ SELECT CASE WHEN channel = 'call_live' THEN 'voice' ELSE channel END $$

-- name: about
-- Whether a statement about a purpose speaks of another: consent to marketing is for marketing alone, any other for all but marketing.
CREATE OR REPLACE FUNCTION pg_temp.about(said text, purpose text) RETURNS boolean IMMUTABLE LANGUAGE sql AS
$$ SELECT said IS NULL OR said = purpose OR (said <> 'marketing' AND purpose <> 'marketing') $$

-- name: counting_on
-- Whether what happened on one date still counts on a later one. No query of its own in it, so that it becomes part of the one that
-- asks: a function that is called costs more than all that it compares.
CREATE OR REPLACE FUNCTION pg_temp.counting_on(was date, is_now date, p jsonb) RETURNS boolean STABLE LANGUAGE sql AS
$$
  SELECT CASE p ->> 'unit'
    WHEN 'dates' THEN is_now - was < (p ->> 'number')::int
    WHEN 'clear days' THEN is_now - was <= (p ->> 'number')::int
    WHEN 'iso week' THEN date_trunc('week', is_now) = date_trunc('week', was)
    WHEN 'calendar month' THEN date_trunc('month', is_now) = date_trunc('month', was)
  END
$$

-- name: counting
-- The same of two instants, in any of the zones where the person may be.
CREATE OR REPLACE FUNCTION pg_temp.counting(earlier timestamptz, later timestamptz, zones text[], p jsonb) RETURNS boolean STABLE LANGUAGE sql AS
$$
  SELECT CASE p ->> 'unit'
    WHEN 'elapsed' THEN later < earlier + make_interval(secs => (p ->> 'seconds')::float)
    ELSE EXISTS (SELECT FROM unnest(zones) zone
      WHERE pg_temp.counting_on((earlier AT TIME ZONE zone)::date, (later AT TIME ZONE zone)::date, p))
  END
$$

-- name: speaks_of
-- Whether what somebody allowed or took back speaks of a contact, by the parameters of whoever asks. No query of its own in it.
CREATE OR REPLACE FUNCTION pg_temp.speaks_of(s recheck_word, c recheck_contact, purpose text, p jsonb) RETURNS boolean STABLE LANGUAGE sql AS
$$
  SELECT s.idx < c.idx AND s.at <= c.at
    AND pg_temp.about(s.purpose, purpose)
    AND (s.everywhere OR s.channel IS NULL OR pg_temp.way(s.channel) = pg_temp.way(c.channel))
    AND (s.everywhere OR s.endpoint IS NULL OR s.endpoint = c.endpoint)
    AND CASE WHEN s.granted THEN
        (s.debts IS NULL OR c.debts <@ s.debts)
        AND (p ->> 'instruments' IS NULL OR p -> 'instruments' ? s.instrument)
        AND (p ->> 'given_to' IS NULL OR s.given_to = p ->> 'given_to')
        AND (coalesce((p ->> 'from_creditor')::boolean, true) OR s.given_to IS DISTINCT FROM 'creditor')
        AND (p ->> 'purpose' IS DISTINCT FROM 'marketing' OR s.purpose = 'marketing')
      ELSE s.debts IS NULL OR c.debts = '{}' OR s.debts && c.debts
    END
$$

-- name: last_word
-- Her last word on a channel, address and purpose before an entry: granted, withdrawn or null. Of two at one instant the refusal stands.
-- A set, so that it becomes part of the query that asks from it.
CREATE OR REPLACE FUNCTION pg_temp.last_word(c recheck_contact, purpose text, p jsonb) RETURNS SETOF text STABLE LANGUAGE sql AS
$$
  SELECT CASE WHEN max(s.at) FILTER (WHERE s.granted) > coalesce(max(s.at) FILTER (WHERE NOT s.granted), '-infinity') THEN 'granted'
    WHEN count(*) > 0 THEN 'withdrawn' END
  FROM recheck_word s WHERE s.subject = c.subject AND pg_temp.speaks_of(s, c, purpose, p)
$$

-- name: lifted
-- Whether one of a clause's exemptions lifts it for a contact, by what the trace proves.
CREATE OR REPLACE FUNCTION pg_temp.lifted(c recheck_contact, lifts jsonb) RETURNS boolean STABLE LANGUAGE sql AS
$$
  SELECT EXISTS (
    SELECT FROM jsonb_array_elements(lifts) l WHERE CASE l ->> 'lift'
      WHEN 'answer' THEN c.answers AND EXISTS (
        SELECT FROM recheck_said s WHERE s.subject = c.subject AND s.type IN ('reply', 'inbound_call') AND s.idx < c.idx
          AND pg_temp.way(coalesce(s.channel, 'voice')) = pg_temp.way(c.channel)
          -- One answer for each time she wrote.
          AND NOT EXISTS (SELECT FROM recheck_contact a WHERE a.subject = c.subject AND a.idx BETWEEN s.idx AND c.idx - 1
            AND a.at >= s.at AND a.answers AND NOT a.gone AND pg_temp.way(a.channel) = pg_temp.way(c.channel)))
      WHEN 'requested_info' THEN c.purpose = 'requested_info' AND EXISTS (
        SELECT FROM recheck_said s WHERE s.subject = c.subject AND s.type IN ('reply', 'inbound_call') AND s.idx < c.idx
          AND NOT EXISTS (SELECT FROM recheck_contact a WHERE a.subject = c.subject AND a.idx BETWEEN s.idx AND c.idx - 1
            AND a.at >= s.at AND a.purpose = 'requested_info' AND NOT a.gone))
      WHEN 'fraud_alert' THEN c.purpose = 'fraud_alert'
      WHEN 'optout_confirmation' THEN c.purpose = 'optout_confirmation' AND EXISTS (
        SELECT FROM recheck_said s WHERE s.subject = c.subject AND s.type = 'consent' AND s.f ->> 'state' = 'withdrawn' AND s.idx < c.idx
          AND (l ->> 'seconds' IS NULL OR c.at < s.at + make_interval(secs => (l ->> 'seconds')::float))
          AND NOT EXISTS (SELECT FROM recheck_contact a WHERE a.subject = c.subject AND a.idx BETWEEN s.idx AND c.idx - 1
            AND a.purpose = 'optout_confirmation' AND NOT a.gone AND pg_temp.way(a.channel) = pg_temp.way(c.channel)))
      WHEN 'consent' THEN 'granted' IN (SELECT pg_temp.last_word(c, coalesce(l ->> 'purpose', c.purpose), l))
      WHEN 'used_address' THEN 'granted' IN (SELECT pg_temp.last_word(c, c.purpose, '{"given_to": "sender"}')) OR EXISTS (
        SELECT FROM recheck_said s WHERE s.subject = c.subject AND s.type = 'reply' AND s.idx < c.idx AND s.endpoint = c.endpoint)
      -- Whether the words were approved stands in the sealed part.
      WHEN 'registered_template' THEN true
      ELSE false
    END)
$$

-- name: asked
-- Each contact of ours that left us, with every clause that spoke to it: one that speaks to its shape, held on its day, and is not lifted.
CREATE TEMP VIEW recheck_asked AS
SELECT c AS contact, c.idx, c.at, c.subject, c.message, c.attempt, c.zones, k.no, k.label, k.rule, k.kind, k.params, k.reach, k.opens, k.clock,
  k.calendar, c.day, c.second
FROM recheck_contact c JOIN recheck_speaks s ON s.shape = c.shape JOIN recheck_clause k ON k.no = s.no
-- ``IS TRUE``, so that nobody looks for the instants in an index: nearly all contacts are asked about by some clause.
WHERE c.ours AND NOT c.gone AND (c.at >= k.asked_from AND c.at < k.asked_to) IS TRUE
  AND c.day BETWEEN k.begins AND coalesce(k.ends, 'infinity')
  AND (NOT s.may_lift OR NOT pg_temp.lifted(c, k.lifts))

-- name: pressed
-- The same of contacts that another of hers came so shortly before that the clause looks at it. These are found first, as one table.
CREATE TEMP VIEW recheck_pressed AS
SELECT n.contact, n.idx, n.at, n.subject, n.message, n.attempt, n.zones, k.no, k.label, k.rule, k.kind, k.params, k.reach
FROM (
  SELECT c AS contact, c.idx, c.at, c.subject, c.message, c.attempt, c.zones, c.shape, c.day, e.previous
  FROM recheck_close e JOIN recheck_contact c ON c.idx = e.idx AND c.ours OFFSET 0
) n JOIN recheck_speaks s ON s.shape = n.shape JOIN recheck_clause k ON k.no = s.no
WHERE (n.at >= k.asked_from AND n.at < k.asked_to) IS TRUE AND n.previous > n.at - k.reach
  AND n.day BETWEEN k.begins AND coalesce(k.ends, 'infinity')
  AND (NOT s.may_lift OR NOT pg_temp.lifted(n.contact, k.lifts))

-- name: same_by_what_was_said
-- The part of the next that looks at what she said, which few clauses do.
CREATE OR REPLACE FUNCTION pg_temp.same_by_what_was_said(c recheck_contact, e recheck_contact, p jsonb) RETURNS boolean STABLE LANGUAGE sql AS
$$
  SELECT true
    AND (p ->> 'counts' <> 'two_way' OR e.outcome = 'conversation'
         OR (coalesce(e.outcome, 'attempted') = 'attempted' AND e.channel IN ('voice', 'call_live', 'visit'))
         -- She answered it before the next one on that channel went out.
         OR EXISTS (SELECT FROM recheck_said s WHERE s.subject = e.subject AND s.type = 'reply' AND s.idx < c.idx AND s.at > e.at
              AND pg_temp.way(s.channel) = pg_temp.way(e.channel)
              AND NOT EXISTS (SELECT FROM recheck_contact n WHERE n.subject = e.subject AND n.at > e.at AND n.at < s.at AND NOT n.gone
                AND pg_temp.way(n.channel) = pg_temp.way(e.channel))))
    AND (NOT coalesce((p ->> 'after_conversation')::boolean, false) OR e.at > (
         SELECT min(spoke.at) FROM (
           SELECT x.at FROM recheck_contact x WHERE x.subject = c.subject AND x.outcome = 'conversation'
           UNION ALL SELECT s.at FROM recheck_said s WHERE s.subject = c.subject AND s.type = 'inbound_call'
             AND s.f ->> 'outcome' = 'conversation') spoke))
    -- Calls that she allowed beyond the limit are hers: none of them within the longest time such a word holds.
    AND (NOT coalesce((p ->> 'excludes')::boolean, false) OR NOT EXISTS (
         SELECT FROM recheck_said s WHERE s.subject = c.subject AND s.type = 'consent' AND s.f ->> 'grants' = 'extra_calls'
           AND e.at >= s.at AND e.at < s.at + interval '8 days'))
$$

-- name: same
-- Whether a contact is one that a counting clause looks at for another: same person or pool, keys, channels, outcome. Which of them
-- came first, and how long before, is for the query to say.
CREATE OR REPLACE FUNCTION pg_temp.same(c recheck_contact, e recheck_contact, debt text, p jsonb) RETURNS boolean STABLE LANGUAGE sql AS
$$
  SELECT NOT e.gone AND p -> 'outcomes' ? coalesce(e.outcome, 'attempted')
    AND (e.subject = c.subject OR (p -> 'pool' ? coalesce(e.role, 'unknown') AND p -> 'pool' ? c.role))
    AND (p ->> 'of' IS NULL OR p -> 'of' ? e.channel)
    AND NOT coalesce(p -> 'purposes_except' ? e.purpose, false)
    AND (p ->> 'places' IS NULL OR p -> 'places' ? coalesce(e.address_kind, 'unknown'))
    AND (coalesce((p ->> 'answers')::boolean, true) OR NOT e.answers)
    AND (NOT p -> 'by' ? 'channel' OR pg_temp.way(e.channel) = pg_temp.way(c.channel))
    AND (NOT p -> 'by' ? 'creditor' OR e.creditor IS NULL OR e.creditor = c.creditor)
    AND (NOT p -> 'by' ? 'collector' OR e.collector IS NULL OR e.collector = c.collector)
    AND (NOT p -> 'by' ? 'creditor_or_collector' OR e.creditor IS NULL OR e.collector IS NULL
         OR e.creditor = c.creditor OR e.collector = c.collector)
    AND (NOT p -> 'by' ? 'address' OR e.endpoint IS NULL OR e.endpoint = c.endpoint)
    AND (NOT p -> 'by' ? 'debt' OR debt IS NULL OR e.debts = '{}' OR debt = ANY (e.debts))
    AND (p ->> 'counts' <> 'conversation' OR e.outcome = 'conversation' OR e.channel IN ('voice', 'call_live', 'visit'))
    AND (coalesce(p ->> 'counts', '') <> 'two_way' AND NOT coalesce((p ->> 'after_conversation')::boolean, false)
           AND NOT coalesce((p ->> 'excludes')::boolean, false)
         OR pg_temp.same_by_what_was_said(c, e, p))
$$

-- name: counts
-- Contacts made although the count was full, for any one debt where a clause counts by debt.
WITH full_ones AS (
  SELECT a.idx, a.no, d.debt, count(*) AS n
  FROM (
    -- Of hers alone only those that another came shortly before; of a pool's all.
    SELECT * FROM recheck_pressed WHERE kind = 'count' AND (params ->> 'limit')::int > 0 AND NOT params ? 'pool'
    UNION ALL
    SELECT contact, idx, at, subject, message, attempt, zones, no, label, rule, kind, params, reach
    FROM recheck_asked WHERE kind = 'count' AND (params ->> 'limit')::int > 0 AND params ? 'pool' OFFSET 0
  ) a,
    LATERAL (SELECT unnest(CASE WHEN a.params -> 'by' ? 'debt' AND (a.contact).debts <> '{}' THEN (a.contact).debts ELSE ARRAY[NULL] END) AS debt) d,
    LATERAL (
      SELECT e AS earlier, e.at FROM recheck_contact e WHERE e.subject = a.subject AND e.at > a.at - a.reach AND e.at <= a.at AND e.idx < a.idx
      UNION ALL
      SELECT e, e.at FROM recheck_contact e WHERE a.params ? 'pool' AND e.subject <> a.subject AND e.debts && (a.contact).debts
        AND e.at > a.at - a.reach AND e.at <= a.at AND e.idx < a.idx
    ) e
  WHERE pg_temp.same(a.contact, e.earlier, d.debt, a.params) AND (a.params ->> 'unit' = 'elapsed' OR EXISTS (
        -- In any of the zones where she may be.
        SELECT FROM unnest(a.zones) zone
        WHERE pg_temp.counting_on((e.at AT TIME ZONE zone)::date, (a.at AT TIME ZONE zone)::date, a.params)))
  GROUP BY 1, 2, 3, a.params HAVING count(*) >= (a.params ->> 'limit')::int
  UNION ALL
  SELECT a.idx, a.no, NULL, 0 FROM recheck_asked a WHERE a.kind = 'count' AND (a.params ->> 'limit')::int = 0
)
SELECT a.idx, a.at, a.message, a.attempt, k.label, k.rule,
  format('%s earlier contacts still counted, at most %s', max(n.n), k.params ->> 'limit') AS observed
FROM full_ones n JOIN recheck_contact a ON a.idx = n.idx AND a.ours JOIN recheck_clause k ON k.no = n.no
WHERE (NOT (k.params ->> 'excludes')::boolean OR NOT EXISTS (
       SELECT FROM recheck_said s WHERE s.subject = a.subject AND s.type = 'consent' AND s.f ->> 'grants' = 'extra_calls'
         AND s.idx < a.idx AND a.at < s.at + interval '8 days'))
GROUP BY 1, 2, 3, 4, 5, 6, k.params

-- name: gaps
-- Contacts made too soon after the last, or on another channel than the one in use.
SELECT a.idx, a.at, a.message, a.attempt, a.label, a.rule,
  format('another contact %s before', to_char(a.at - max(e.at), 'FMDDD "days" HH24:MI:SS')) AS observed
FROM (SELECT * FROM recheck_pressed WHERE kind IN ('gap', 'sticky') OFFSET 0) a,
  LATERAL (SELECT unnest(CASE WHEN a.params -> 'by' ? 'debt' AND (a.contact).debts <> '{}' THEN (a.contact).debts ELSE ARRAY[NULL] END) AS debt) d,
  recheck_contact e
WHERE e.subject = a.subject
  AND (a.kind = 'gap' OR pg_temp.way(e.channel) <> pg_temp.way((a.contact).channel))
  AND e.at > a.at - a.reach AND e.at <= a.at AND e.idx < a.idx
  AND pg_temp.same(a.contact, e, d.debt, a.params) AND (a.params ->> 'unit' = 'elapsed' OR EXISTS (
      -- In any of the zones where she may be.
      SELECT FROM unnest(a.zones) zone
      WHERE pg_temp.counting_on((e.at AT TIME ZONE zone)::date, (a.at AT TIME ZONE zone)::date, a.params)))
GROUP BY 1, 2, 3, 4, 5, 6

-- name: hours
-- Contacts outside the open hours of any zone where the person may be.
WITH suspects AS MATERIALIZED (
  -- All but those that are plainly inside: on an ordinary day in the one place where she is, within its hours, of somebody who asked
  -- for no others.
  SELECT a.idx, a.no FROM recheck_asked a
  WHERE a.kind = 'hours' AND (
    NOT coalesce(a.clock IS NULL AND cardinality(a.zones) = 1 AND a.opens @> a.second, false)
    OR (a.label, a.calendar, a.day) IN (SELECT label, calendar, day FROM recheck_holiday)
    OR a.subject IN (SELECT subject FROM recheck_said WHERE type = 'hours_requested'))
), clocks AS MATERIALIZED (
  SELECT c.idx, c.at, c.subject, c.message, c.attempt, k.label, k.rule, k.params, zone, c.at AT TIME ZONE zone AS wall
  FROM suspects s JOIN recheck_contact c ON c.idx = s.idx AND c.ours JOIN recheck_clause k ON k.no = s.no,
    LATERAL unnest(CASE WHEN k.clock IS NOT NULL THEN ARRAY[k.clock] ELSE c.zones END) zone
), looked AS (
  SELECT c.*, extract(epoch FROM wall - date_trunc('day', wall)) AS second, extract(isodow FROM wall)::int - 1 AS weekday,
    c.params ->> 'holidays' <> 'ignored' AND EXISTS (
      SELECT FROM recheck_holiday h WHERE h.label = c.label AND h.calendar = c.params ->> 'calendar' AND h.day = wall::date) AS holiday
  FROM clocks c
), wished AS (
  SELECT l.*,
    CASE WHEN holiday THEN CASE params ->> 'holidays' WHEN 'closed' THEN '[]'::jsonb ELSE 'null'::jsonb END
         ELSE params -> 'days' -> weekday END AS own,
    (SELECT array_agg(s.f) FROM recheck_said s
      WHERE jsonb_typeof(params -> 'asked') = 'object' AND s.subject = l.subject AND s.type = 'hours_requested' AND s.idx < l.idx
        AND s.f ->> 'requested_by' = 'person'
        AND (params -> 'asked' ->> 'instruments' IS NULL OR params -> 'asked' -> 'instruments' ? (s.f ->> 'instrument'))) AS wishes
  FROM looked l
)
SELECT DISTINCT idx, at, message, attempt, label, rule, format('%s %s', to_char(wall, 'Dy HH24:MI:SS'), zone)
  || CASE WHEN holiday THEN ', a holiday' ELSE '' END AS observed
FROM wished w
WHERE NOT (
    (w.wishes IS NULL OR params -> 'asked' ->> 'mode' = 'add')
    AND (jsonb_typeof(own) = 'null' OR EXISTS (
      SELECT FROM jsonb_array_elements(own) span
      WHERE second >= (span ->> 0)::int AND (second < (span ->> 1)::int OR ((params ->> 'inside')::boolean AND second <= (span ->> 1)::int))))
  )
  AND NOT EXISTS (
    SELECT FROM unnest(w.wishes) f
    WHERE f -> 'days' ? to_char(wall, 'Dy') AND wall::time >= (f ->> 'from')::time
      AND (f ->> 'to' IS NULL OR wall::time < (f ->> 'to')::time))

-- name: inconvenient
-- Contacts at a time, or at a place, which the person called inconvenient before.
SELECT DISTINCT a.idx, a.at, a.message, a.attempt, a.label, a.rule, 'she had said: not then, or not there' AS observed
FROM recheck_asked a JOIN recheck_said s ON s.subject = a.subject AND s.type = 'inconvenient' AND s.idx < a.idx
LEFT JOIN LATERAL unnest(a.zones) zone ON a.kind = 'inconvenient'
WHERE (a.kind = 'place' AND s.f ->> 'place' = (a.contact).address_kind)
   OR (a.kind = 'inconvenient' AND (s.f ->> 'place' IS NULL OR s.f ->> 'from' IS NOT NULL)
       AND s.f -> 'days' ? to_char(a.at AT TIME ZONE zone, 'Dy')
       AND (s.f ->> 'from' IS NULL OR (a.at AT TIME ZONE zone)::time >= (s.f ->> 'from')::time)
       AND (s.f ->> 'to' IS NULL OR (a.at AT TIME ZONE zone)::time < (s.f ->> 'to')::time))

-- name: words
-- Contacts without the consent that was needed, or against her last word. Who never took anything back has no such word.
-- All of them are held against all that was said in one pass: a look for each contact costs three times as much.
WITH held AS (
  SELECT a.idx, a.no, CASE
      WHEN max(w.at) FILTER (WHERE w.granted) > coalesce(max(w.at) FILTER (WHERE NOT w.granted), '-infinity') THEN 'granted'
      WHEN count(w.at) > 0 THEN 'withdrawn' END AS word
  FROM recheck_asked a LEFT JOIN recheck_word w ON w.subject = a.subject
    AND pg_temp.speaks_of(w, a.contact, coalesce(a.params ->> 'purpose', (a.contact).purpose), a.params)
  WHERE a.kind = 'consent' OR a.kind = 'withdrawn' AND a.subject IN (SELECT subject FROM recheck_word WHERE NOT granted)
  GROUP BY a.idx, a.no
), wrong AS MATERIALIZED (
  SELECT h.idx, h.word, k.label, k.rule FROM held h JOIN recheck_clause k ON k.no = h.no
  WHERE CASE k.kind WHEN 'consent' THEN h.word IS DISTINCT FROM 'granted' ELSE h.word = 'withdrawn' END
)
SELECT c.idx, c.at, c.message, c.attempt, w.label, w.rule,
  CASE WHEN w.word = 'withdrawn' THEN 'her last word was no' ELSE 'she had not allowed it' END AS observed
FROM wrong w JOIN recheck_contact c ON c.idx = w.idx AND c.ours

-- name: bars
-- Contacts that a rule forbids whatever happened: to a role, a kind of address, by a channel.
SELECT a.idx, a.at, a.message, a.attempt, a.label, a.rule,
  format('%s, %s address, by %s', (a.contact).role, (a.contact).address_kind, (a.contact).channel) AS observed
FROM recheck_asked a
WHERE a.kind = 'barred'

-- name: statuses
-- Contacts while a status stood that stops them, or within the days that one asks for.
SELECT DISTINCT a.idx, a.at, a.message, a.attempt, a.label, a.rule,
  format('%s since %s', s.f ->> 'is', to_char(s.at AT TIME ZONE coalesce(a.zones[1], 'UTC'), 'YYYY-MM-DD')) AS observed
FROM recheck_asked a JOIN recheck_said s ON s.type = 'status' AND s.idx < a.idx AND s.at <= a.at AND s.f ->> 'is' = a.params ->> 'status'
  AND s.subject = a.subject
WHERE a.kind IN ('status', 'since_status') AND NOT coalesce((s.f ->> 'ended')::boolean, false)
  AND (s.debts IS NULL OR (a.contact).debts = '{}' OR s.debts && (a.contact).debts)
  AND (s.endpoint IS NULL OR s.endpoint = (a.contact).endpoint)
  AND (a.params ->> 'kinds' IS NULL OR a.params -> 'kinds' ? (s.f ->> 'kind'))
  AND NOT coalesce(a.params -> 'kinds_except' ? (s.f ->> 'kind'), false)
  AND (a.kind = 'status' OR pg_temp.counting(s.at, a.at, a.zones, a.params))
  AND NOT EXISTS (SELECT FROM recheck_said over WHERE over.subject = s.subject AND over.type = 'status' AND over.idx < a.idx
    AND over.at >= s.at AND over.f ->> 'is' = s.f ->> 'is' AND (over.f ->> 'ended')::boolean
    AND (over.debts IS NULL OR s.debts IS NULL OR s.debts <@ over.debts))

-- name: conversations
-- Contacts within so many days of a conversation, whose own day is the first.
SELECT DISTINCT a.idx, a.at, a.message, a.attempt, a.label, a.rule,
  format('conversation on %s', to_char(spoke.at AT TIME ZONE coalesce(a.zones[1], 'UTC'), 'YYYY-MM-DD')) AS observed
FROM recheck_asked a,
  LATERAL (
    SELECT e.at, e.debts FROM recheck_contact e WHERE e.subject = a.subject AND e.outcome = 'conversation' AND NOT e.gone
      AND e.idx < a.idx AND (a.params ->> 'of' IS NULL OR a.params -> 'of' ? e.channel)
    UNION ALL SELECT s.at, coalesce(s.debts, '{}') FROM recheck_said s WHERE s.subject = a.subject AND s.type = 'inbound_call'
      AND s.idx < a.idx AND s.f ->> 'outcome' = 'conversation'
  ) spoke
WHERE a.kind = 'since_conversation'
  AND a.subject IN (
    SELECT subject FROM recheck_contact WHERE outcome = 'conversation' AND NOT gone
    UNION ALL SELECT subject FROM recheck_said WHERE type = 'inbound_call')
  AND pg_temp.counting(spoke.at, a.at, a.zones, a.params)
  AND (NOT a.params -> 'by' ? 'debt' OR spoke.debts = '{}' OR (a.contact).debts = '{}' OR spoke.debts && (a.contact).debts)
  AND (NOT (a.params ->> 'excludes')::boolean OR NOT EXISTS (
       SELECT FROM recheck_said s WHERE s.subject = a.subject AND s.type = 'consent' AND s.f ->> 'grants' = 'extra_calls'
         AND s.idx < a.idx AND a.at < s.at + interval '8 days'))

-- name: notices
-- Contacts without the notice that must come first, or before its time has run.
SELECT a.idx, a.at, a.message, a.attempt, a.label, a.rule,
  CASE a.kind WHEN 'notice' THEN 'no such notice before' ELSE 'the time after the notice had not run' END AS observed
FROM recheck_asked a
WHERE (a.kind = 'notice' AND NOT (
        EXISTS (SELECT FROM recheck_said s WHERE s.subject = a.subject AND s.type = 'notice' AND s.idx < a.idx AND s.f ->> 'is' = a.params ->> 'notice'
          AND (a.params ->> 'channels' IS NULL OR a.params -> 'channels' ? coalesce(s.channel, 'letter')))
        AND (a.contact).debts <@ ARRAY(SELECT unnest(s.debts) FROM recheck_said s WHERE s.subject = a.subject AND s.type = 'notice'
          AND s.idx < a.idx AND s.f ->> 'is' = a.params ->> 'notice'
          AND (a.params ->> 'channels' IS NULL OR a.params -> 'channels' ? coalesce(s.channel, 'letter')))))
   OR (a.kind = 'since_notice' AND EXISTS (
        SELECT FROM recheck_said s WHERE s.subject = a.subject AND s.type = 'notice' AND s.idx < a.idx AND s.f ->> 'is' = a.params ->> 'notice'
          AND s.debts && (a.contact).debts
          AND NOT EXISTS (SELECT FROM recheck_said first WHERE first.subject = s.subject AND first.type = 'notice' AND first.at < s.at
            AND first.f ->> 'is' = s.f ->> 'is' AND first.debts && (a.contact).debts)
          AND pg_temp.counting(s.at, a.at, a.zones, a.params)))

-- name: inbound
-- Contacts on a channel on which she had not written, or not within the time.
SELECT a.idx, a.at, a.message, a.attempt, a.label, a.rule, 'she had not written there' AS observed
FROM recheck_asked a
WHERE a.kind = 'inbound' AND NOT EXISTS (
  SELECT FROM recheck_said s WHERE s.subject = a.subject AND s.type = 'reply' AND s.idx < a.idx
    AND pg_temp.way(s.channel) = pg_temp.way((a.contact).channel)
    AND (a.params ->> 'seconds' IS NULL OR a.at < s.at + make_interval(secs => (a.params ->> 'seconds')::float)))

-- name: strangers
-- Contacts at an address that had turned out to be somebody else's.
SELECT DISTINCT a.idx, a.at, a.message, a.attempt, a.label, a.rule, 'the address was known to be somebody else''s' AS observed
FROM recheck_asked a JOIN recheck_said s ON s.endpoint = (a.contact).endpoint AND s.idx < a.idx AND s.subject = a.subject
  AND s.type = 'not_associated'
WHERE a.kind = 'stranger'

-- name: registers
-- Contacts at an address that stood on a register whose entry already bound.
SELECT DISTINCT a.idx, a.at, a.message, a.attempt, a.label, a.rule, format('on the register %s', s.f ->> 'list') AS observed
FROM recheck_asked a JOIN recheck_said s ON s.subject = a.subject AND s.type = 'listed' AND s.idx < a.idx
  AND a.params -> 'names' ? lower(s.f ->> 'list')
WHERE a.kind = 'register' AND (s.endpoint IS NULL OR s.endpoint = (a.contact).endpoint)
  AND (s.channel IS NULL OR pg_temp.way(s.channel) = pg_temp.way((a.contact).channel))
  AND EXISTS (
    SELECT FROM unnest(a.zones) zone,
      LATERAL (SELECT coalesce((s.f ->> 'since')::date, (s.at AT TIME ZONE zone)::date) AS entered, (a.at AT TIME ZONE zone)::date AS today) d
    WHERE today >= entered + coalesce((a.params ->> 'delay_days')::int, 0)
      AND (SELECT count(*) FROM generate_series(entered + 1, today, interval '1 day') day
           WHERE extract(isodow FROM day) < 6 AND NOT EXISTS (
             SELECT FROM recheck_holiday h WHERE h.label = a.label AND h.calendar = a.params ->> 'calendar' AND h.day = day::date))
          >= coalesce((a.params ->> 'delay_working_days')::int, 0))

-- name: twice
-- A message that left us again although an earlier attempt may have reached the person.
SELECT c.idx, c.at, c.message, c.attempt, '' AS label, 'SENT-TWICE' AS rule, 'an earlier attempt of this message may have arrived' AS observed
FROM recheck_contact c
WHERE c.ours AND NOT c.gone AND c.at >= current_setting('recheck.since')::timestamptz
  AND c.message IN (SELECT message FROM recheck_contact WHERE ours AND NOT gone GROUP BY message HAVING count(*) > 1) AND EXISTS (
  SELECT FROM recheck_contact e WHERE e.message = c.message AND e.ours AND e.idx < c.idx AND NOT e.gone
    -- The next channel may follow what provably did not arrive.
    AND NOT EXISTS (SELECT FROM recheck_ending r WHERE r.kind = 'receipt' AND r.attempt = e.attempt AND r.idx < c.idx
      AND r.told IN ('undelivered', 'failed')))

-- name: orphans
-- An attempt that a provider answered for although nothing was reserved before.
SELECT DISTINCT ON (s.attempt) s.idx, s.at, s.message, s.attempt, '' AS label, 'NOT-RESERVED' AS rule,
  'no reservation stands before it' AS observed
FROM recheck_ending s
WHERE s.kind = 'settled' AND s.at >= current_setting('recheck.since')::timestamptz
  AND NOT EXISTS (SELECT FROM recheck_contact c WHERE c.attempt = s.attempt AND c.idx < s.idx)
ORDER BY s.attempt, s.idx

-- name: nowhere
-- Contacts made although no zone or no law was known.
SELECT idx, at, message, attempt, '' AS label, CASE WHEN zones = '{}' THEN 'HOUSE-NOZONE' ELSE 'HOUSE-NOPACK' END AS rule,
  'nothing was known of where she is' AS observed
FROM recheck_contact WHERE ours AND NOT gone AND (zones = '{}' OR packs = '{}') AND at >= current_setting('recheck.since')::timestamptz

-- name: contacts_count
-- Contacts of ours that were asked about.
SELECT count(*) FROM recheck_contact WHERE ours AND NOT gone AND at >= current_setting('recheck.since')::timestamptz

-- name: labels
-- Which texts of which packs bound them.
SELECT DISTINCT unnest(packs) AS label FROM recheck_shape ORDER BY 1

-- name: policies
-- Every policy a tenant had, with the instant from which it held: as the trace tells it, and the one it was made with, which no entry tells.
WITH told AS (
  SELECT (h ->> 'at')::timestamptz AS at, h -> 'facts' ->> 'body' AS body, (h -> 'facts' ->> 'version')::int AS version FROM (
    SELECT convert_from(header, 'UTF8')::jsonb AS h FROM trace WHERE tenant = $1 AND kind = 'policy'
  ) read
)
SELECT at, body, version FROM told
UNION ALL
SELECT at, body::text, version FROM policy WHERE tenant = $1 AND version NOT IN (SELECT version FROM told)
ORDER BY version

-- name: remember
-- What the last round about a tenant found; real time, which no law reads.
INSERT INTO recheck_round (tenant, at, since, contacts, breaches) VALUES ($1, clock_timestamp(), $2, $3, $4)
ON CONFLICT (tenant) DO UPDATE SET at = excluded.at, since = excluded.since, contacts = excluded.contacts, breaches = excluded.breaches

-- name: remembered
-- The last round about each tenant.
SELECT tenant, at, contacts, breaches FROM recheck_round ORDER BY tenant
