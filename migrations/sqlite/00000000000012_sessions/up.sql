-- Sessions that were begun, so that their person can see them and end one. Whether a token is good says the token itself, with
-- `ended_session`: a version that does not know this table opens sessions all the same.
CREATE TABLE session (
    user_id BIGINT NOT NULL REFERENCES app_user (id),
    id TEXT NOT NULL,
    audience TEXT NOT NULL,
    address TEXT,
    began_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE INDEX session_by_expiry ON session (expires_at);
