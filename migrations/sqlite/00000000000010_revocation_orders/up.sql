-- What an operator ordered to be ended: every grant, or those of one organization or of one element. What came from a vendor before
-- that time and is stored later is not kept.
CREATE TABLE revocation_order (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT,
    element_id BIGINT,
    ordered_at TEXT NOT NULL,
    -- All instances of the scope are invalid: what is connected from then on is left alone.
    passed_at TEXT,
    finished_at TEXT
);

-- given_up: the vendor never answered; due_at is then when the row is forgotten.
ALTER TABLE revocation ADD COLUMN instance_id BIGINT;
ALTER TABLE revocation ADD COLUMN given_up BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX revocation_by_instance ON revocation (instance_id);
