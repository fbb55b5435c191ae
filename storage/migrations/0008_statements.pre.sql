-- Statements carry what proves them: by which way they came and what the person had before her.

ALTER TABLE contact_event ADD COLUMN evidence json;
