//! `where` and `orderBy`: no text panics, and what was read reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ligand::hub::clause::{parse, parse_order};

fuzz_target!(|text: &str| {
    let _ = parse_order(text);
    if let Ok(clause) = parse(text) {
        let printed = clause.to_string();
        // Printing adds spaces and quotes: a text at the limit may outgrow it.
        if printed.chars().count() <= ligand::hub::clause::LONGEST {
            assert_eq!(parse(&printed), Ok(clause));
        }
    }
});
