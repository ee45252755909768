-- What an organization chose, beside its own columns: allowed addresses, brand. One JSON document.
ALTER TABLE organization ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- The organization's own OAuth app for an element: client id, secret, scopes and preset are one sealed document.
CREATE TABLE partner_app (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    element_id BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, account_id, element_id)
);

-- token: the secret in the link's address. settings: what was given when it was made. outcome: what came of it, as JSON.
-- element_id and instance_id: chosen by the person, or given; instance_id is set once connected.
CREATE TABLE connect_link (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    token_sealed BYTEA NOT NULL,
    settings_sealed BYTEA NOT NULL,
    status TEXT NOT NULL,
    external_id TEXT,
    element_id BIGINT,
    instance_id BIGINT,
    outcome TEXT NOT NULL,
    created_by BIGINT NOT NULL REFERENCES app_user (id),
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX connect_link_by_owner ON connect_link (organization_id, account_id, id);
CREATE INDEX connect_link_by_expiry ON connect_link (expires_at);

-- A grant that comes back to /connector/callback is found by its state alone; a link's belongs to one browser.
ALTER TABLE oauth_grant ADD COLUMN link_id BIGINT;
ALTER TABLE oauth_grant ADD COLUMN browser_hash BYTEA;
CREATE INDEX oauth_grant_by_state ON oauth_grant (state_hash);
CREATE INDEX oauth_grant_by_link ON oauth_grant (link_id);

-- What is known of the vendor's account, as JSON: its id and name, granted scopes.
ALTER TABLE instance ADD COLUMN connected TEXT;

-- Where an organization is told what happens. secrets: one or two, while one is exchanged.
CREATE TABLE webhook (
    id BIGINT PRIMARY KEY,
    organization_id BIGINT NOT NULL UNIQUE REFERENCES organization (id),
    url_sealed BYTEA,
    secrets_sealed BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- The durable queue of notices. link_id: sent to that link's notifyUrl, else to the organization's webhook.
-- subject: what it is about (instance:1, link:2); notices of one subject to one receiver leave in the order of ids.
-- message: the webhook-id. parked: no longer holds up those behind it. due_at: of what waits, when it is tried next.
CREATE TABLE notice (
    id BIGSERIAL PRIMARY KEY,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    link_id BIGINT REFERENCES connect_link (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL,
    parked BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL,
    last_status BIGINT,
    last_error TEXT,
    due_at TIMESTAMPTZ NOT NULL,
    delivered_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX notice_by_due ON notice (status, due_at);
CREATE INDEX notice_by_subject ON notice (organization_id, subject, id);
CREATE INDEX notice_by_owner ON notice (organization_id, account_id, id);
