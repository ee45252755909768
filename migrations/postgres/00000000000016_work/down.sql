DROP INDEX revocation_without_work;
ALTER TABLE revocation DROP COLUMN has_work;
DROP INDEX notice_without_work;
ALTER TABLE notice DROP COLUMN has_work;
ALTER TABLE process DROP COLUMN works;
ALTER TABLE process DROP COLUMN beat;
DROP TABLE work;
