-- Who calls: the Organization part of the Authorization header finds its row by secret_hash.
CREATE TABLE organization (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL UNIQUE,
    secret_sealed BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- One account per organization to begin with; every owned table has both columns so that more can come.
CREATE TABLE account (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE app_user (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    email TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    secret_hash BYTEA NOT NULL UNIQUE,
    secret_sealed BYTEA NOT NULL,
    active BOOLEAN NOT NULL,
    organization_admin BOOLEAN NOT NULL,
    session_generation BIGINT NOT NULL,
    last_login_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);

-- tags is the list as shown; instance_tag is its index.
CREATE TABLE instance (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    element_id BIGINT NOT NULL,
    element_key TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    external_id TEXT,
    token_hash BYTEA NOT NULL UNIQUE,
    token_sealed BYTEA NOT NULL,
    authentication_type TEXT NOT NULL,
    external_authentication TEXT NOT NULL,
    configuration_sealed BYTEA NOT NULL,
    enabled BOOLEAN NOT NULL,
    invalid_reason TEXT,
    created_by BIGINT NOT NULL REFERENCES app_user (id),
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE instance_tag (
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    tag TEXT NOT NULL,
    instance_id BIGINT NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    PRIMARY KEY (organization_id, account_id, tag, instance_id)
);

-- version is what a refresh compares before it writes.
CREATE TABLE credential (
    instance_id BIGINT PRIMARY KEY REFERENCES instance (id) ON DELETE CASCADE,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    grant_hash BYTEA,
    refreshable BOOLEAN NOT NULL,
    lifetime BIGINT,
    expires_at TIMESTAMPTZ,
    refreshed_at TIMESTAMPTZ
);

-- Authorizations under way that need something remembered (PKCE). A row is used once.
CREATE TABLE oauth_grant (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    element_id BIGINT NOT NULL,
    state_hash BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, account_id, state_hash)
);

-- reply_sealed is null while the first call is under way.
CREATE TABLE idempotency (
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    key_hash BYTEA NOT NULL,
    id BIGINT NOT NULL,
    request_hash BYTEA NOT NULL,
    reply_sealed BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, account_id, key_hash)
);

-- Grants of deleted instances, to be revoked at the vendor.
CREATE TABLE revocation (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    element_id BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    attempts BIGINT NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- Look-up and session keys, sealed by the key ring.
CREATE TABLE data_key (
    id BIGINT PRIMARY KEY,
    purpose TEXT NOT NULL UNIQUE,
    sealed BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- Ids are taken in blocks before the insert and are never used again.
CREATE TABLE id_block (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);

-- What other processes must forget.
CREATE TABLE change (
    id BIGSERIAL PRIMARY KEY,
    kind TEXT NOT NULL,
    entity_id BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE INDEX instance_by_owner ON instance (organization_id, account_id, id);
CREATE INDEX instance_by_external_id ON instance (organization_id, account_id, external_id);
CREATE INDEX credential_by_grant ON credential (grant_hash);
CREATE INDEX oauth_grant_by_expiry ON oauth_grant (expires_at);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX revocation_by_due ON revocation (due_at);
CREATE INDEX change_by_age ON change (created_at);

INSERT INTO id_block (name, next) VALUES ('all', 1000);
