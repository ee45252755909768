-- Who changed what: a row for each change, written with it and never altered but for what is said here.
CREATE TABLE audit_log (
    id BIGINT PRIMARY KEY,
    -- Null: the whole server's.
    organization_id BIGINT,
    account_id BIGINT,
    at TIMESTAMPTZ NOT NULL,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id BIGINT,
    actor TEXT NOT NULL,
    user_id BIGINT,
    request_id TEXT,
    -- Which customer it is about: a keyed hash of the external id.
    customer_hash BYTEA,
    -- Who is named, as a keyed hash and sealed. The sealed text goes when the customer is forgotten.
    names_hash BYTEA NOT NULL,
    names_sealed BYTEA,
    -- Of the key of the hashes.
    generation BIGINT NOT NULL,
    -- Over all of the above but the sealed text.
    row_hash BYTEA NOT NULL,
    -- The place in the chain, and the hash over the one before and this row; null until it is chained.
    sequence BIGINT,
    chain_hash BYTEA
);
-- What is to be chained. The others are filled by who chains, so that a change waits for none of them.
CREATE INDEX audit_log_unchained ON audit_log (id) WHERE sequence IS NULL;
CREATE UNIQUE INDEX audit_log_chain ON audit_log (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_log_by_organization ON audit_log (organization_id, sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_log_by_subject ON audit_log (subject_kind, subject_id, sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_log_by_customer ON audit_log (customer_hash, sequence) WHERE sequence IS NOT NULL AND customer_hash IS NOT NULL;
CREATE INDEX audit_log_by_time ON audit_log (organization_id, at) WHERE sequence IS NOT NULL;

-- Where the chain begins and ends, signed.
CREATE TABLE audit_head (
    id TEXT PRIMARY KEY NOT NULL,
    sequence BIGINT NOT NULL,
    chain_hash BYTEA NOT NULL,
    -- The last row that was removed because its time was over.
    lapsed_sequence BIGINT NOT NULL,
    lapsed_hash BYTEA NOT NULL,
    generation BIGINT NOT NULL,
    signature BYTEA NOT NULL
);
INSERT INTO audit_head VALUES ('all', 0, '', 0, '', 0, '');
