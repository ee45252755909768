//! `/console` as a browser meets it: cookies, forms, redirects, and the pages' text.

mod attacks;
mod instances;
mod notices;
mod pages;
mod people;
pub mod person;
mod proof;
mod session;
mod settings;
