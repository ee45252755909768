//! Documents with secrets in them: JSON that says what it is, sealed as a whole. What writes one and what reads it are made from
//! one type.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::seal::{Place, Sealed, Vault, VaultFault};
use crate::kernel::secret;
use crate::kernel::stored::{Unreadable, Why};

/// Its members are those of an object, `document` is none of them, and their `Secret`s are `#[serde(serialize_with =
/// "secret::sealed")]`.
pub trait Document: Serialize + DeserializeOwned {
    /// No other document has it, in whatever column.
    const KIND: &'static str;
    /// Of the members: one more when what was written before is to be read otherwise. What a reader does not know it passes
    /// over, so a further member that may be missing is no reason.
    const VERSION: u32 = 1;
}

/// `"document": "partnerApp/1"`, among the others. Documents from before there were marks have none.
#[derive(Serialize)]
struct Marked<'a, T> {
    document: String,
    #[serde(flatten)]
    members: &'a T,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Mark {
    document: Option<String>,
}

impl Vault {
    pub fn seal_document<T: Document>(&self, place: Place, document: &T) -> Result<Sealed, VaultFault> {
        let mark = format!("{}/{}", T::KIND, T::VERSION);
        self.seal_json(place, &Marked { document: mark, members: document })
    }

    pub fn open_document<T: Document>(&self, place: Place, sealed: &[u8]) -> Result<T, VaultFault> {
        read_document(place, &self.open(place, sealed)?)
    }

    /// `seal_document` for lists, which have no mark.
    pub fn seal_json<T: Serialize>(&self, place: Place, json: &T) -> Result<Sealed, VaultFault> {
        let Place { table, column, row, .. } = place;
        let plain = secret::written_out(json).map_err(|_| VaultFault::Unwritten { table, column, row })?;
        self.seal(place, &plain)
    }

    pub fn open_json<T: DeserializeOwned>(&self, place: Place, sealed: &[u8]) -> Result<T, VaultFault> {
        read(place, &self.open(place, sealed)?)
    }
}

/// Which kind of document it is; none from before there were marks.
pub fn kind(place: Place, plain: &[u8]) -> Result<Option<String>, VaultFault> {
    let Mark { document } = read(place, plain)?;
    Ok(document.map(|mark| mark.split('/').next().unwrap_or_default().to_owned()))
}

/// An opened document.
pub fn read_document<T: Document>(place: Place, plain: &[u8]) -> Result<T, VaultFault> {
    let Mark { document } = read(place, plain)?;
    if let Some(mark) = document {
        let version = mark.strip_prefix(T::KIND).and_then(|rest| rest.strip_prefix('/')?.parse::<u32>().ok());
        match version {
            None => return Err(unreadable(place, Why::OtherKind(mark))),
            Some(version) if version > T::VERSION => return Err(unreadable(place, Why::Later(mark))),
            Some(_) => {}
        }
    }
    read(place, plain)
}

pub fn read<T: DeserializeOwned>(place: Place, plain: &[u8]) -> Result<T, VaultFault> {
    serde_json::from_slice(plain).map_err(|error| unreadable(place, error.into()))
}

pub fn unreadable(Place { table, column, row, .. }: Place, why: Why) -> VaultFault {
    VaultFault::Unreadable(Unreadable { table, column, row, why })
}

/// The bytes as they are sealed, for tests of what is written.
#[cfg(test)]
pub fn plain<T: Document>(document: &T) -> zeroize::Zeroizing<Vec<u8>> {
    secret::written_out(&Marked { document: format!("{}/{}", T::KIND, T::VERSION), members: document }).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::secret::Secret;

    const PLACE: Place = Place { table: "app", column: "sealed", row: 7, owner: None };

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct App {
        #[serde(serialize_with = "secret::sealed")]
        client_secret: Secret,
        #[serde(default, serialize_with = "secret::sealed_option")]
        verifier: Option<Secret>,
        scopes: Vec<String>,
    }

    impl Document for App {
        const KIND: &'static str = "app";
        const VERSION: u32 = 2;
    }

    fn app() -> App {
        App { client_secret: Secret::new("hunter2"), verifier: None, scopes: vec!["a".to_owned()] }
    }

    #[test]
    fn it_says_what_it_is_and_reads_back() {
        let text = plain(&app());
        let text = std::str::from_utf8(&text).unwrap();
        assert_eq!(text, r#"{"document":"app/2","clientSecret":"hunter2","verifier":null,"scopes":["a"]}"#);
        assert_eq!(read_document::<App>(PLACE, text.as_bytes()), Ok(app()));
        assert_eq!(kind(PLACE, text.as_bytes()), Ok(Some("app".to_owned())));
    }

    #[test]
    fn what_is_older_reads_and_what_is_not_known_is_a_fault_without_its_content() {
        let read = |text: &str| read_document::<App>(PLACE, text.as_bytes());
        for mark in ["", r#""document":"app/1","#, r#""document":"app/2","further":[1],"#] {
            assert_eq!(read(&format!(r#"{{{mark}"clientSecret":"hunter2","scopes":["a"]}}"#)), Ok(app()), "{mark}");
        }
        for (text, why) in [
            (r#"{"document":"grant/1","clientSecret":"hunter2","scopes":[]}"#, "grant/1"),
            (r#"{"document":"apps/1","clientSecret":"hunter2","scopes":[]}"#, "apps/1"),
            (r#"{"document":"app/3","clientSecret":"hunter2","scopes":[]}"#, "a later version"),
            (r#"{"clientSecret":"hunter2","scopes":"hunter2"}"#, "not what is stored there"),
            ("hunter2", "not what is stored there"),
        ] {
            let fault = read(text).unwrap_err().to_string();
            assert!(fault.contains("app.sealed, row 7") && fault.contains(why), "{fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }
}
