DROP INDEX credential_by_end;
ALTER TABLE credential DROP COLUMN tell_end_at;
ALTER TABLE credential DROP COLUMN ends_at;
