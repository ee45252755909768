DROP INDEX revocation_by_owner;
ALTER TABLE organization DROP COLUMN limits;
