-- A user who was removed stays as a row, without address, password and secret: instances and links name who made them.
ALTER TABLE app_user ADD COLUMN removed_at TEXT;

-- Whether plain users see tokens of instances that others made.
ALTER TABLE organization ADD COLUMN users_see_tokens BOOLEAN NOT NULL DEFAULT TRUE;
