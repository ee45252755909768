//! Which passwords are accepted. What was accepted before stays valid until it is changed.

use super::password::LONGEST;
use crate::kernel::secret::Secret;

/// Who chooses a password, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// A person who types it: long, and none that others try first (OWASP ASVS 5.0, 6.2.1 and 6.2.4).
    Typed,
    /// A program that makes a user: eight characters of four kinds, as clients of this API expect.
    Made,
}

/// Whose password it is to be.
#[derive(Debug, Clone)]
pub struct Person {
    pub email: String,
    pub first_name: String,
    pub last_name: String,
}

const TYPED: usize = 12;
const MADE: usize = 8;
/// A shorter name is part of too many words.
const SHORTEST_NAME: usize = 3;
/// What must be left of a typed password without the person's names.
const OWN_PART: usize = 8;

impl Person {
    fn username(&self) -> &str {
        self.email.split('@').next().unwrap_or_default()
    }
}

/// Everything that is wrong with it, as the end of a sentence. None: it is accepted.
pub fn complaint(rules: Rules, password: &Secret, person: &Person) -> Option<String> {
    let text = password.expose();
    if text.len() > LONGEST {
        return Some(format!("must have at most {LONGEST} bytes"));
    }
    let characters = text.chars().count();
    match rules {
        Rules::Typed if characters < TYPED => Some(format!("must have at least {TYPED} characters")),
        Rules::Typed if without_names(text, person) < OWN_PART => {
            Some("must be more than the person's own name or address".to_owned())
        }
        Rules::Typed => is_guessed(text, person).then(|| "is one of those that are tried first".to_owned()),
        Rules::Made => of_kinds(text, characters, person),
    }
}

fn of_kinds(text: &str, characters: usize, person: &Person) -> Option<String> {
    let lower = text.to_lowercase();
    let names = |name: &str| name.chars().count() >= SHORTEST_NAME && lower.contains(&name.to_lowercase());
    let broken: Vec<_> = [
        (characters < MADE, "must have at least 8 characters"),
        (!text.chars().any(char::is_numeric), "must have a numeric character"),
        (!text.chars().any(char::is_uppercase), "must have an uppercase letter"),
        (!text.chars().any(char::is_lowercase), "must have a lowercase letter"),
        (text.chars().all(char::is_alphanumeric), "must have a special character"),
        (names(&person.first_name), "must not contain the first name"),
        (names(&person.last_name), "must not contain the last name"),
        (names(person.username()), "must not contain the username"),
    ]
    .into_iter()
    .filter_map(|(broken, words)| broken.then_some(words))
    .collect();
    (!broken.is_empty()).then(|| broken.join(", "))
}

/// Letters and digits that are left when address and names are taken out.
fn without_names(text: &str, person: &Person) -> usize {
    let mut rest = text.to_lowercase();
    for name in [person.email.as_str(), person.username(), &person.first_name, &person.last_name] {
        if name.chars().count() >= SHORTEST_NAME {
            rest = rest.replace(&name.to_lowercase(), "");
        }
    }
    rest.chars().filter(|c| !c.is_whitespace()).count()
}

/// Whether a million tries are enough for who knows the lists, the keyboard, and the person.
fn is_guessed(text: &str, person: &Person) -> bool {
    let inputs = [person.email.as_str(), person.username(), &person.first_name, &person.last_name, "ligand"];
    zxcvbn::zxcvbn(text, &inputs).score() < zxcvbn::Score::Two
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jo() -> Person {
        Person {
            email: "jo.miller@example.com".to_owned(),
            first_name: "Jo".to_owned(),
            last_name: "Miller".to_owned(),
        }
    }

    fn why(rules: Rules, text: &str) -> String {
        complaint(rules, &Secret::new(text), &jo()).unwrap_or_default()
    }

    #[test]
    fn what_people_type_is_long_and_not_guessed_first() {
        for good in ["correct horse battery", "another horse", "the first horse", "6f1d0c9ab84e", "a password of mine"]
        {
            assert_eq!(why(Rules::Typed, good), "", "{good}");
        }
        for short in ["", "Sh0rt!", "elevenchars", "\u{e9}\u{e9}\u{e9}"] {
            assert!(why(Rules::Typed, short).contains("at least 12"), "{short}");
        }
        for guessed in [
            "passwordpassword",
            "password12345",
            "Password1234!",
            "123456789012",
            "aaaaaaaaaaaaaaa",
            "qwertyuiop123",
            "qwertyuiopasdfgh",
            "abcdefghijkl",
            "iloveyouiloveyou",
            "            ",
        ] {
            assert!(!why(Rules::Typed, guessed).is_empty(), "{guessed}");
        }
        for own in ["jo.miller@example.com", "JO.MILLER@example.com1", "jo.millermiller", "Miller-Jo.Miller"] {
            assert!(why(Rules::Typed, own).contains("own name"), "{own}: {}", why(Rules::Typed, own));
        }
        assert!(why(Rules::Typed, &"x y".repeat(400)).contains("at most 1024 bytes"));
    }

    #[test]
    fn what_programs_make_has_four_kinds_and_all_that_is_broken_is_named() {
        for good in ["Passw0rd!", "aB3$efgh", "Ünïcode1 "] {
            assert_eq!(why(Rules::Made, good), "", "{good}");
        }
        for (text, words) in [
            ("aB3$efg", &["at least 8"][..]),
            ("ab3$efgh", &["uppercase"]),
            ("AB3$EFGH", &["lowercase"]),
            ("abc$efgH", &["numeric"]),
            ("aB3defgh", &["special character"]),
            ("MILLER1!", &["lowercase", "last name"]),
            ("Jo.Miller1", &["last name", "username"]),
            ("", &["at least", "numeric", "uppercase", "lowercase"]),
        ] {
            let complaint = why(Rules::Made, text);
            assert!(words.iter().all(|word| complaint.contains(word)), "{text}: {complaint}");
        }
    }
}
