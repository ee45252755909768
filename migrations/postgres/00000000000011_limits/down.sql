DROP INDEX notice_by_link;
DROP INDEX revocation_by_owner;
ALTER TABLE organization DROP COLUMN limits;
