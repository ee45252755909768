-- Sessions of the console that were ended before their time, until they would have ended by themselves.
CREATE TABLE ended_session (
    user_id BIGINT NOT NULL REFERENCES app_user (id),
    session TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, session)
);

-- What is due is looked for every few seconds, among links that are kept for months after their end.
DROP INDEX connect_link_by_expiry;
CREATE INDEX connect_link_by_status ON connect_link (status, expires_at);
