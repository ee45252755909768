mod cors;
mod credentials;
mod element_files;
mod elements;
mod identity;
mod oauth_url;
mod pkce;
mod story;
