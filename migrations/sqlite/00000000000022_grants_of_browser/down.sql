DROP INDEX oauth_grant_by_browser;
