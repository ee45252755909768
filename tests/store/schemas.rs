//! Three descriptions of one schema, compared as lines of text: both migration trees, and `src/store/schema.rs`.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::support::Database;
use crate::support::database::{open, runtime};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

type Lines = BTreeSet<String>;

const OF_SQLITE: &str = r#"
WITH tables AS (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\_\_%' ESCAPE '\')
SELECT t.name || '.' || c.name || ' ' || CASE c.type
        WHEN 'INTEGER' THEN 'BigInt' WHEN 'BIGINT' THEN 'BigInt' WHEN 'TEXT' THEN 'Text' WHEN 'BLOB' THEN 'Binary'
        WHEN 'BOOLEAN' THEN 'Bool' ELSE c.type END || iif(c."notnull", '', ' null') AS line
    FROM tables t, pragma_table_info(t.name) c
UNION ALL SELECT t.name || ' PRIMARY KEY (' || (SELECT group_concat(name, ', ') FROM
        (SELECT name FROM pragma_table_info(t.name) WHERE pk > 0 ORDER BY pk)) || ')' FROM tables t
UNION ALL SELECT t.name || ' UNIQUE (' || (SELECT group_concat(name, ', ') FROM
        (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')'
    FROM tables t, pragma_index_list(t.name) i WHERE i.origin = 'u'
UNION ALL SELECT t.name || iif(i."unique", ' unique', '') || ' index ' || i.name || ' (' || (SELECT group_concat(name, ', ') FROM
        (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')' || iif(i.partial, (SELECT ' WHERE ('
        || substr(s.sql, instr(s.sql, ' WHERE ') + 7) || ')' FROM sqlite_schema s WHERE s.name = i.name), '')
    FROM tables t, pragma_index_list(t.name) i WHERE i.origin = 'c'
UNION ALL SELECT t.name || ' FOREIGN KEY (' || f."from" || ') REFERENCES ' || f."table" || '(' || f."to" || ')'
        || iif(f.on_delete = 'NO ACTION', '', ' ON DELETE ' || f.on_delete)
    FROM tables t, pragma_foreign_key_list(t.name) f
"#;

const OF_POSTGRES: &str = r#"
SELECT table_name || '.' || column_name || ' ' || CASE data_type
        WHEN 'bigint' THEN 'BigInt' WHEN 'text' THEN 'Text' WHEN 'bytea' THEN 'Binary' WHEN 'boolean' THEN 'Bool'
        WHEN 'timestamp with time zone' THEN 'UtcTimestamp' ELSE data_type END
        || CASE is_nullable WHEN 'YES' THEN ' null' ELSE '' END AS line
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\_\_%'
UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f', 'c')
        AND conrelid::regclass::text NOT LIKE '\_\_%'
UNION ALL SELECT i.indrelid::regclass || CASE WHEN i.indisunique THEN ' unique' ELSE '' END || ' index ' || c.relname
        || substring(pg_get_indexdef(c.oid) FROM ' \(.*')
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid)
"#;

pub fn lines_of_sqlite(conn: &mut SqliteConnection) -> Lines {
    lines(diesel::sql_query(OF_SQLITE).load(conn))
}

pub fn lines_of_postgres(conn: &mut PgConnection) -> Lines {
    lines(diesel::sql_query(OF_POSTGRES).load(conn))
}

fn lines(rows: QueryResult<Vec<Line>>) -> Lines {
    rows.expect("the catalogue is read").into_iter().map(|row| as_written(&row.line)).collect()
}

/// PostgreSQL writes the condition of an index anew: with parentheses around all of it, and the types of texts.
fn as_written(line: &str) -> String {
    let Some((index, condition)) = line.split_once(" WHERE ") else { return line.to_owned() };
    format!("{index} WHERE {}", condition.replace("::text", "").replace(['(', ')'], ""))
}

/// Columns and primary keys as the `table!` blocks have them.
fn lines_of_source() -> Lines {
    let source = include_str!("../../src/store/schema.rs");
    let mut lines = Lines::new();
    let mut table = "";
    for line in source.lines().map(str::trim) {
        if let Some((name, key)) = line.strip_suffix(") {").and_then(|line| line.split_once(" (")) {
            table = name;
            lines.insert(format!("{name} PRIMARY KEY ({key})"));
        } else if let Some((column, kind)) = line.strip_suffix(',').and_then(|line| line.split_once(" -> ")) {
            let nullable = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
            let kind = nullable.map_or(kind.to_owned(), |kind| format!("{kind} null"));
            lines.insert(format!("{table}.{column} {kind}"));
        }
    }
    lines
}

fn in_sqlite() -> Lines {
    let database = Database::sqlite();
    runtime().block_on(async { open(&database.url, 1).migrate().await.expect("the schema migrates") });
    let path = database.url.strip_prefix("sqlite:").expect("a path");
    lines_of_sqlite(&mut SqliteConnection::establish(path).expect("a connection"))
}

/// Without the one column, and its index, that only PostgreSQL has and needs: who commits late is seen by it.
fn in_postgres() -> Option<Lines> {
    let database = Database::postgres()?;
    let mut lines = lines_of_postgres(&mut PgConnection::establish(&database.url).expect("a connection"));
    for only in ["change.transaction_id xid8", "change index change_by_transaction (transaction_id)"] {
        assert!(lines.remove(only), "{lines:#?}");
    }
    Some(lines)
}

/// SQLite keeps times as text.
fn as_sqlite_keeps_it(lines: &Lines) -> Lines {
    lines.iter().map(|line| line.replace(" UtcTimestamp", " Text")).collect()
}

fn shape(lines: &Lines) -> Lines {
    lines.iter().filter(|line| line.contains('.') || line.contains(" PRIMARY KEY ")).cloned().collect()
}

#[track_caller]
fn assert_same(left: &Lines, right: &Lines) {
    let differences: Vec<_> = left.symmetric_difference(right).collect();
    assert!(differences.is_empty(), "only in one of them: {differences:#?}");
    assert!(left.len() > 50, "that was nothing: {left:#?}");
}

#[test]
fn both_databases_have_the_same_schema() {
    if let Some(postgres) = in_postgres() {
        assert_same(&in_sqlite(), &as_sqlite_keeps_it(&postgres));
    }
}

#[test]
fn sqlite_has_what_the_queries_believe() {
    assert_same(&shape(&in_sqlite()), &as_sqlite_keeps_it(&lines_of_source()));
}

#[test]
fn postgres_has_what_the_queries_believe() {
    if let Some(postgres) = in_postgres() {
        assert_same(&shape(&postgres), &lines_of_source());
    }
}

/// Who adds a table says what bounds it.
#[test]
fn the_architecture_says_what_bounds_each_table() {
    let text = include_str!("../../ARCHITECTURE.md");
    let bounds = text.split("\n## ").find(|part| part.starts_with("What callers can make grow")).expect("the section");
    let schema = lines_of_source();
    let tables = schema.iter().filter_map(|line| line.split_once(" PRIMARY KEY ")).map(|(table, _)| table);
    let unsaid: Vec<_> = tables.filter(|table| !bounds.contains(&format!("`{table}`"))).collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}

/// Owned rows carry both parts of the owner, so that a query can never do without.
#[test]
fn owned_tables_have_both_columns_of_the_owner() {
    let schema = in_sqlite();
    for table in ["app_user", "instance", "instance_tag", "credential", "oauth_grant", "idempotency", "revocation"] {
        for column in ["organization_id", "account_id"] {
            assert!(schema.contains(&format!("{table}.{column} BigInt")), "{table}.{column}");
        }
    }
}
