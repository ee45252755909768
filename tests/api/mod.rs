mod cors;
mod credentials;
mod elements;
mod identity;
mod oauth_url;
mod story;
