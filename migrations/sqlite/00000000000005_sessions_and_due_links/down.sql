DROP INDEX connect_link_by_status;
CREATE INDEX connect_link_by_expiry ON connect_link (expires_at);
DROP TABLE ended_session;
