//! `where`: what is read, what is refused and where, and that nothing panics.

use proptest::prelude::*;

use super::super::clause::{Clause, Comparison, Condition, Field, Literal, Test, parse, parse_order};

fn printed(text: &str) -> String {
    parse(text).unwrap_or_else(|complaint| panic!("{text}: {complaint}")).to_string()
}

fn complaint(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn every_operator_is_read() {
    for text in [
        "a = 'x'",
        "a != 'x'",
        "a < 5",
        "a > -1.5",
        "a <= '2018-01-15T00:00:00.000Z'",
        "a >= 5",
        "a LIKE '%x%'",
        "a IN ('x', 'y', 3)",
        "a IS NULL",
        "a IS NOT NULL",
        "properties.email = 'it''s'",
        "`a b` = 'x' AND is-contact = true",
        "a = 1 OR b = 2 OR c = 3",
        "(a = 1 OR b = 2) AND c = 3",
        "a = 1 OR (b = 2 AND c = 3)",
    ] {
        assert_eq!(printed(text), text);
    }
    assert_eq!(printed("  a='x'and(b=1)or c in('y')"), "(a = 'x' AND b = 1) OR c IN ('y')");
    assert_eq!(printed("((a=1) AND ((b=2) AND c=3))"), "a = 1 AND b = 2 AND c = 3");
    assert_eq!(printed("name = `Acme & Co.`"), "name = 'Acme & Co.'");
    assert_eq!(printed("naïve = 'ü'"), "naïve = 'ü'");
}

#[test]
fn a_complaint_names_the_column() {
    for (text, expected) in [
        ("", "column 1: the end where the name of a field should be"),
        ("email", "column 6: the end after the field `email`, where one of = != < > <= >= LIKE IN IS should be"),
        ("email = ", "column 9: the end where a value should be: write texts as 'text'"),
        ("email = 'x", "column 9: the text is never closed with a '"),
        ("`email = 'x'", "column 1: the name is never closed with a `"),
        ("ü = 'x' AND ; = 1", "column 13: `;` is no part of a condition"),
        ("(a = 1", "column 7: the end where AND, OR or `)` should be"),
        ("a = 1)", "column 6: `)` after the end of the condition; AND or OR is missing"),
        ("a = 1 b = 2", "column 7: `b` after the end of the condition; AND or OR is missing"),
        ("a IS 5", "column 6: `5` where NULL should be"),
        ("a IN 5", "column 6: `5` where the `(` of a list should be"),
        ("a IN (5", "column 8: the end where a comma or the `)` of the list should be"),
        ("a = AND", "column 5: `AND` where a value should be: write texts as 'text'"),
        ("NOT a = 1", "column 1: `NOT` where the name of a field should be"),
        ("a = 'x' -- 'y'", "column 9: `--` after the end of the condition; AND or OR is missing"),
    ] {
        assert_eq!(complaint(text), expected, "{text}");
    }
    let deep = format!("{}a = 1{}", "(".repeat(33), ")".repeat(33));
    assert_eq!(complaint(&deep), "column 33: parentheses stand inside each other more than 32 times");
    assert!(parse(&format!("{}a = 1{}", "(".repeat(32), ")".repeat(32))).is_ok());
    assert_eq!(complaint(&"a".repeat(8_001)), "column 8000: a condition has at most 8000 characters");
}

#[test]
fn an_order_is_read() {
    let order = parse_order("name, `created at` DESC , c asc").unwrap();
    let order: Vec<_> = order.iter().map(|(field, descending)| (field.name.as_str(), *descending)).collect();
    assert_eq!(order, [("name", false), ("created at", true), ("c", false)]);
    assert_eq!(
        parse_order("name down").unwrap_err().to_string(),
        "column 6: `down` where asc, desc, a comma or the end should be"
    );
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<String>().prop_map(|text| Literal { text, quoted: true }),
        "[0-9]{1,4}".prop_map(|text| Literal { text, quoted: false }),
    ]
}

fn conditions() -> impl Strategy<Value = Clause> {
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::Greater),
        Just(Comparison::AtMost),
        Just(Comparison::AtLeast),
    ];
    let test = prop_oneof![
        (comparison, literals()).prop_map(|(comparison, literal)| Test::Compare(comparison, literal)),
        literals().prop_map(Test::Like),
        prop::collection::vec(literals(), 1..4).prop_map(Test::In),
        Just(Test::Null),
        Just(Test::NotNull),
    ];
    (".{1,12}", test).prop_map(|(name, test)| Clause::Is(Condition { field: Field { name, column: 1 }, test }))
}

fn clauses() -> impl Strategy<Value = Clause> {
    conditions().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Clause::all),
            prop::collection::vec(inner, 2..4).prop_map(Clause::any),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again(clause in clauses()) {
        let text = clause.to_string();
        if text.chars().count() <= super::super::clause::LONGEST {
            prop_assert_eq!(parse(&text).map_err(|complaint| complaint.to_string()), Ok(clause));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        if let Ok(clause) = parse(&text) {
            prop_assert_eq!(parse(&clause.to_string()), Ok(clause));
        }
        let _ = parse_order(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_clause_panics(text in "[a-c=!<>()'`%, ]|and|or|in|is|not|null|like{0,60}") {
        let _ = parse(&text);
    }
}
