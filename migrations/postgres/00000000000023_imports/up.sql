-- Which line of an import made an instance: the same line finds it again. It goes with the instance.
CREATE TABLE instance_import (
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    import_id TEXT NOT NULL,
    instance_id BIGINT NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    PRIMARY KEY (organization_id, account_id, import_id)
);
CREATE UNIQUE INDEX instance_import_instance ON instance_import (instance_id);
