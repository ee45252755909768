-- How many people an organization has is counted.
CREATE INDEX app_user_by_organization ON app_user (organization_id);
