-- ends_at: when the refresh token ends, where the vendor says; null: not known. tell_end_at: when that is to be told; null: never, or it
-- was told.
ALTER TABLE credential ADD COLUMN ends_at TEXT;
ALTER TABLE credential ADD COLUMN tell_end_at TEXT;
CREATE INDEX credential_by_end ON credential (tell_end_at) WHERE tell_end_at IS NOT NULL;
