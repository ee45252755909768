//! `docs/asvs.md` names tests for what it says is held: they exist, and no requirement is left out or said twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Of levels 1 and 2, by section: how many there are, in their order.
const SECTIONS: &[(&str, &[u8])] = &[
    ("6.1", &[1, 2, 3]),
    ("6.2", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("6.3", &[1, 2, 3, 4]),
    ("6.4", &[1, 2, 3, 4]),
    ("6.5", &[1, 2, 3, 4, 5]),
    ("6.6", &[1, 2, 3]),
    ("6.8", &[1, 2, 3, 4]),
    ("7.1", &[1, 2, 3]),
    ("7.2", &[1, 2, 3, 4]),
    ("7.3", &[1, 2]),
    ("7.4", &[1, 2, 3, 4, 5]),
    ("7.5", &[1, 2]),
    ("7.6", &[1, 2]),
    ("8.1", &[1, 2]),
    ("8.2", &[1, 2, 3]),
    ("8.3", &[1]),
    ("8.4", &[1]),
];

#[test]
fn what_is_said_to_be_held_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/asvs.md")).expect("the table");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let said: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let wanted: Vec<String> = SECTIONS
        .iter()
        .flat_map(|(section, numbers)| numbers.iter().map(move |number| format!("{section}.{number}")))
        .collect();
    assert_eq!(said, wanted);
    let mut named = BTreeSet::new();
    for row in &rows {
        let [number, state, proof] = row.as_slice() else { panic!("{row:?}") };
        match *state {
            "held" => {
                // In pairs: a file, and a test in it.
                let quoted: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
                assert!(quoted.len() >= 2 && quoted.len().is_multiple_of(2), "{number}: {proof}");
                for pair in quoted.chunks(2) {
                    let source =
                        fs::read_to_string(root.join(pair[0])).unwrap_or_else(|_| panic!("{number}: no {}", pair[0]));
                    let written = [format!("fn {}(", pair[1]), format!("!({}, ", pair[1])];
                    assert!(
                        written.iter().any(|text| source.contains(text)),
                        "{number}: no {} in {}",
                        pair[1],
                        pair[0]
                    );
                    named.insert(pair[1]);
                }
            }
            "document" | "open" | "none" => assert!(!proof.is_empty(), "{number}"),
            other => panic!("{number}: {other}"),
        }
    }
    assert!(named.len() >= 15, "{named:?}");
}
