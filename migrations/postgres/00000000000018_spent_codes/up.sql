-- Codes that were sent to a vendor, or are about to be: outcome is null meanwhile.
CREATE TABLE spent_code (
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    -- Of element and code.
    code_hash BYTEA NOT NULL,
    id BIGINT NOT NULL,
    request_hash BYTEA NOT NULL,
    instance_id BIGINT,
    outcome TEXT,
    -- A process that died with the code leaves it to one more.
    attempts BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, account_id, code_hash)
);
CREATE INDEX spent_code_by_age ON spent_code (created_at);
