ALTER TABLE secret_place DROP COLUMN is_first;
DROP INDEX app_user_by_organization;
