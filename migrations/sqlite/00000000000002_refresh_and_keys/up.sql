-- Work that one process at a time may do. Who waits sees from `beat` whether the holder lives; no clocks are compared.
-- unsettled: a holder went without telling how its work ended.
CREATE TABLE lease (
    name TEXT PRIMARY KEY NOT NULL,
    holder BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    unsettled BOOLEAN NOT NULL
);

-- due_at: when the background job looks at it again; null for what nobody uses.
-- refused_at: when a refusal of the vendor last caused a refresh.
ALTER TABLE credential ADD COLUMN due_at TEXT;
ALTER TABLE credential ADD COLUMN refused_at TEXT;
CREATE INDEX credential_by_due ON credential (due_at);

-- Written in batches; may lack the last seconds before a crash.
CREATE TABLE instance_usage (
    instance_id INTEGER PRIMARY KEY NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    last_used_at TEXT NOT NULL
);

-- The newest generation of a purpose is in use, older ones are accepted until they retire.
CREATE TABLE data_key_with_generation (
    id INTEGER PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at TEXT NOT NULL,
    generation BIGINT NOT NULL,
    retires_at TEXT,
    UNIQUE (purpose, generation)
);
INSERT INTO data_key_with_generation (id, purpose, sealed, created_at, generation)
    SELECT id, purpose, sealed, created_at, 1 FROM data_key;
DROP TABLE data_key;
ALTER TABLE data_key_with_generation RENAME TO data_key;
