-- Who calls: the Organization part of the Authorization header finds its row by secret_hash.
CREATE TABLE organization (
    id INTEGER PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE,
    secret_sealed BLOB NOT NULL,
    created_at TEXT NOT NULL
);

-- One account per organization to begin with; every owned table has both columns so that more can come.
CREATE TABLE account (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE TABLE app_user (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    email TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE,
    secret_sealed BLOB NOT NULL,
    active BOOLEAN NOT NULL,
    organization_admin BOOLEAN NOT NULL,
    session_generation BIGINT NOT NULL,
    last_login_at TEXT,
    created_at TEXT NOT NULL
);

-- tags is the list as shown; instance_tag is its index.
CREATE TABLE instance (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL REFERENCES organization (id),
    account_id BIGINT NOT NULL REFERENCES account (id),
    element_id BIGINT NOT NULL,
    element_key TEXT NOT NULL,
    name TEXT NOT NULL,
    tags TEXT NOT NULL,
    external_id TEXT,
    token_hash BLOB NOT NULL UNIQUE,
    token_sealed BLOB NOT NULL,
    authentication_type TEXT NOT NULL,
    external_authentication TEXT NOT NULL,
    configuration_sealed BLOB NOT NULL,
    enabled BOOLEAN NOT NULL,
    invalid_reason TEXT,
    created_by BIGINT NOT NULL REFERENCES app_user (id),
    version BIGINT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
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
    instance_id INTEGER PRIMARY KEY NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    grant_hash BLOB,
    refreshable BOOLEAN NOT NULL,
    lifetime BIGINT,
    expires_at TEXT,
    refreshed_at TEXT
);

-- Authorizations under way that need something remembered (PKCE). A row is used once.
CREATE TABLE oauth_grant (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    element_id BIGINT NOT NULL,
    state_hash BLOB NOT NULL,
    sealed BLOB NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    UNIQUE (organization_id, account_id, state_hash)
);

-- reply_sealed is null while the first call is under way.
CREATE TABLE idempotency (
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    key_hash BLOB NOT NULL,
    id BIGINT NOT NULL,
    request_hash BLOB NOT NULL,
    reply_sealed BLOB,
    created_at TEXT NOT NULL,
    PRIMARY KEY (organization_id, account_id, key_hash)
);

-- Grants of deleted instances, to be revoked at the vendor.
CREATE TABLE revocation (
    id INTEGER PRIMARY KEY NOT NULL,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    element_id BIGINT NOT NULL,
    sealed BLOB NOT NULL,
    attempts BIGINT NOT NULL,
    due_at TEXT NOT NULL,
    created_at TEXT NOT NULL
);

-- Look-up and session keys, sealed by the key ring.
CREATE TABLE data_key (
    id INTEGER PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL UNIQUE,
    sealed BLOB NOT NULL,
    created_at TEXT NOT NULL
);

-- Ids are taken in blocks before the insert and are never used again.
CREATE TABLE id_block (
    name TEXT PRIMARY KEY NOT NULL,
    next BIGINT NOT NULL
);

-- What other processes must forget.
CREATE TABLE change (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    kind TEXT NOT NULL,
    entity_id BIGINT NOT NULL,
    created_at TEXT NOT NULL
);

CREATE INDEX instance_by_owner ON instance (organization_id, account_id, id);
CREATE INDEX instance_by_external_id ON instance (organization_id, account_id, external_id);
CREATE INDEX credential_by_grant ON credential (grant_hash);
CREATE INDEX oauth_grant_by_expiry ON oauth_grant (expires_at);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX revocation_by_due ON revocation (due_at);
CREATE INDEX change_by_age ON change (created_at);

INSERT INTO id_block (name, next) VALUES ('all', 1000);
