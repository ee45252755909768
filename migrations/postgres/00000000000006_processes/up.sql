-- Processes that keep sessions here, each with a shared advisory lock whose key is the id.
-- server_run: when the database's server was started (microseconds since 1970) on which the process keeps them; null: it keeps
-- none that could tell.
CREATE TABLE process (
    id BIGINT PRIMARY KEY,
    server_run BIGINT,
    seen_at TIMESTAMPTZ NOT NULL
);
