-- The hash of a password, sealed like any secret. `password_hash` is empty then; as long as the database is sealed in the form
-- that the version before knows, the hash stands there in the clear and here is nothing.
ALTER TABLE app_user ADD COLUMN password_sealed BYTEA;
