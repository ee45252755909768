DROP INDEX oauth_grant_by_hold;
ALTER TABLE oauth_grant DROP COLUMN held_until;
ALTER TABLE oauth_grant DROP COLUMN handle_hash;
