-- What the operator allows an organization beside the defaults, as JSON. A column of its own: a version that does not know it
-- writes `settings` as a whole.
ALTER TABLE organization ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';

-- An organization's grants that wait to be revoked are counted with its instances.
CREATE INDEX revocation_by_owner ON revocation (organization_id);

-- A link that goes takes its notices with it; without this each would be looked for among all notices.
CREATE INDEX notice_by_link ON notice (link_id);
