-- Whether vendors' SDKs may send an instance's token in the place of the vendor's own credential.
ALTER TABLE organization ADD COLUMN vendor_bearer BOOLEAN NOT NULL DEFAULT TRUE;

-- Calls through the instance: `failures` are those that the vendor or the way to it failed (status 500 and above).
ALTER TABLE instance_usage ADD COLUMN calls BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instance_usage ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE instance_usage ADD COLUMN last_status BIGINT;
