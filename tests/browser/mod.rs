//! A customer's way in a real Chromium: links, pages, windows, and who tries to get between. What a person does is in
//! `tests/parts/browser`; what comes of it is asserted here.

mod attacks;
mod below_a_path;
mod connecting;
mod console;
mod detours;
mod documents;
mod form_post;
mod gallery;
mod others;
mod popup;
mod script;
mod stage;

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/browser");
