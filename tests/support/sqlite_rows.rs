//! What a SQLite file holds, row by row, as text: to compare one with its copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let lines: Vec<Line> = diesel::sql_query(sql).load(conn).unwrap_or_else(|error| panic!("{sql}: {error}"));
    lines.into_iter().map(|line| line.line).collect()
}

/// The rows of each table.
pub fn rows(path: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut conn = SqliteConnection::establish(path.to_str().expect("a path")).expect("the file opens");
    conn.batch_execute("PRAGMA busy_timeout = 5000").expect("it waits");
    let tables =
        lines(&mut conn, "SELECT name AS line FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
    let of_table = |table: String| {
        let columns = format!(
            "SELECT group_concat('quote(' || name || ')', ' || '',''||') AS line FROM pragma_table_info('{table}')"
        );
        let columns = lines(&mut conn, &columns).concat();
        let rows = lines(&mut conn, &format!("SELECT {columns} AS line FROM {table}"));
        (table, rows.into_iter().collect())
    };
    tables.into_iter().map(of_table).collect()
}
