CREATE TABLE data_key_without_generation (
    id INTEGER PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL UNIQUE,
    sealed BLOB NOT NULL,
    created_at TEXT NOT NULL
);
INSERT INTO data_key_without_generation (id, purpose, sealed, created_at)
    SELECT id, purpose, sealed, created_at FROM data_key AS one
    WHERE generation = (SELECT max(generation) FROM data_key WHERE purpose = one.purpose);
DROP TABLE data_key;
ALTER TABLE data_key_without_generation RENAME TO data_key;
DROP TABLE instance_usage;
DROP INDEX credential_by_due;
ALTER TABLE credential DROP COLUMN refused_at;
ALTER TABLE credential DROP COLUMN due_at;
DROP TABLE lease;
