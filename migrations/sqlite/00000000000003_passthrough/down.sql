ALTER TABLE instance_usage DROP COLUMN last_status;
ALTER TABLE instance_usage DROP COLUMN failures;
ALTER TABLE instance_usage DROP COLUMN calls;
ALTER TABLE organization DROP COLUMN vendor_bearer;
