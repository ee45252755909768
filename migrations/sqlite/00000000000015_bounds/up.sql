-- How many people an organization has is counted.
CREATE INDEX app_user_by_organization ON app_user (organization_id);

-- Which file of an element was the first, so that no clock decides it. Of what was written down before the clock is all there is.
ALTER TABLE secret_place ADD COLUMN is_first BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE secret_place SET is_first = TRUE WHERE NOT EXISTS (
    SELECT 1 FROM secret_place other WHERE other.element_id = secret_place.element_id
        AND (other.created_at, other.fingerprint) < (secret_place.created_at, secret_place.fingerprint)
);
