-- handle_hash: what came back to a connect link and waits to be confirmed is found by it. held_until: when that lapses; null: nothing waits.
ALTER TABLE oauth_grant ADD COLUMN handle_hash BLOB;
ALTER TABLE oauth_grant ADD COLUMN held_until TEXT;
CREATE INDEX oauth_grant_by_hold ON oauth_grant (held_until) WHERE held_until IS NOT NULL;
