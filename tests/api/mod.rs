mod cors;
mod elements;
mod oauth_url;
mod story;
