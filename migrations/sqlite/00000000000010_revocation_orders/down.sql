DROP INDEX revocation_by_instance;
ALTER TABLE revocation DROP COLUMN given_up;
ALTER TABLE revocation DROP COLUMN instance_id;
DROP TABLE revocation_order;
