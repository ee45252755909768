-- Who comes back without a state is known by the browser.
CREATE INDEX oauth_grant_by_browser ON oauth_grant (browser_hash) WHERE browser_hash IS NOT NULL;
