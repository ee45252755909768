ALTER TABLE organization DROP COLUMN users_see_tokens;
ALTER TABLE app_user DROP COLUMN removed_at;
