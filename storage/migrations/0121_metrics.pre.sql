-- What the page of figures counts is found by an index, however many deliveries there have been.
CREATE INDEX crm_delivery_parked ON crm_delivery (endpoint) WHERE state = 'parked';
SELECT shield_tables();
