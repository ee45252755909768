-- Work that one process at a time may do. Who waits sees from `beat` whether the holder lives; no clocks are compared.
-- unsettled: a holder went without telling how its work ended.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    unsettled BOOLEAN NOT NULL
);

-- due_at: when the background job looks at it again; null for what nobody uses.
-- refused_at: when a refusal of the vendor last caused a refresh.
ALTER TABLE credential ADD COLUMN due_at TIMESTAMPTZ;
ALTER TABLE credential ADD COLUMN refused_at TIMESTAMPTZ;
CREATE INDEX credential_by_due ON credential (due_at);

-- Written in batches; may lack the last seconds before a crash.
CREATE TABLE instance_usage (
    instance_id BIGINT PRIMARY KEY REFERENCES instance (id) ON DELETE CASCADE,
    last_used_at TIMESTAMPTZ NOT NULL
);

-- The newest generation of a purpose is in use, older ones are accepted until they retire.
ALTER TABLE data_key DROP CONSTRAINT data_key_purpose_key;
ALTER TABLE data_key ADD COLUMN generation BIGINT NOT NULL DEFAULT 1;
ALTER TABLE data_key ALTER COLUMN generation DROP DEFAULT;
ALTER TABLE data_key ADD COLUMN retires_at TIMESTAMPTZ;
ALTER TABLE data_key ADD UNIQUE (purpose, generation);

CREATE INDEX change_by_transaction ON change (transaction_id);
