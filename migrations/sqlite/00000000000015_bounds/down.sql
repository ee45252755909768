DROP INDEX app_user_by_organization;
