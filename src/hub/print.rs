//! A clause as text: what is printed is read as the same clause again.

use std::fmt;

use super::clause::{Clause, Condition, Field, Literal, Test, is_keyword, is_word};

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Is(condition) => return condition.fmt(f),
            Self::All(parts) => (parts, " AND "),
            Self::Any(parts) => (parts, " OR "),
        };
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                f.write_str(word)?;
            }
            match part {
                Self::Is(condition) => condition.fmt(f)?,
                nested => write!(f, "({nested})")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.test {
            Test::Compare(comparison, value) => write!(f, "{field} {} {value}", comparison.sign()),
            Test::Like(value) => write!(f, "{field} LIKE {value}"),
            Test::In(values) => {
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                write!(f, "{field} IN ({})", values.join(", "))
            }
            Test::Null => write!(f, "{field} IS NULL"),
            Test::NotNull => write!(f, "{field} IS NOT NULL"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.chars().all(is_word) && !is_keyword(&self.name) {
            f.write_str(&self.name)
        } else {
            write!(f, "`{}`", self.name.replace('`', "``"))
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted { write!(f, "'{}'", self.text.replace('\'', "''")) } else { f.write_str(&self.text) }
    }
}
