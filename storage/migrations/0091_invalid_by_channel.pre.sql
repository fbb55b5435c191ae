-- What one channel calls no address may be one on another: a landline takes no texts and rings all the same.

ALTER TABLE invalid_address ADD COLUMN channel text;
UPDATE invalid_address SET channel = coalesce(
  (SELECT min(a.channel) FROM address a WHERE a.tenant = invalid_address.tenant AND a.endpoint = invalid_address.endpoint), 'sms');
ALTER TABLE invalid_address ALTER COLUMN channel SET NOT NULL;
ALTER TABLE invalid_address DROP CONSTRAINT invalid_address_pkey, ADD PRIMARY KEY (tenant, endpoint, channel);
