-- Where a person lives: a fact that selects the law, beside what the CRM names and what a number tells.

ALTER TABLE contact ADD COLUMN residence text;
