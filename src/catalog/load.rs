//! Reading element files.
pub struct Catalog;
