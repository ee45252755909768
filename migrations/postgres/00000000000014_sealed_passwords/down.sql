ALTER TABLE app_user DROP COLUMN password_sealed;
