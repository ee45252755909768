//! `/connect`: what customers and integrators' front ends open in a browser.

pub mod script;
