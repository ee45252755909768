ALTER TABLE credential DROP COLUMN standing;
