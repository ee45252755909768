//! The document of an element's resources (docs/api.md, API documents): one model, made of the element (`build`) and written
//! as Swagger 2.0, as OpenAPI 3.1 (`render`), or as the list that an element shows (`listed`).

mod build;
pub mod listed;
mod render;

use std::collections::BTreeMap;

use crate::catalog::resource::FieldType;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// The definition of every failure.
const ERROR: &str = "Error";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Swagger20,
    OpenApi31,
}

impl Version {
    pub fn read(text: &str) -> Result<Self, ApiError> {
        match text {
            "2" | "2.0" => Ok(Self::Swagger20),
            "3.1" | "3.1.0" => Ok(Self::OpenApi31),
            _ => Err(ApiError::new(Code::BadParameter, "version must be 2.0 or 3.1.")),
        }
    }
}

/// What the versions have in common.
#[derive(Debug, Clone)]
pub struct Document {
    pub title: String,
    pub description: String,
    pub hub: String,
    /// Names and descriptions of the resources.
    tags: Vec<(String, String)>,
    operations: Vec<Operation>,
    /// None refers to another one.
    definitions: BTreeMap<String, Schema>,
}

#[derive(Debug, Clone)]
struct Operation {
    id: String,
    tag: String,
    method: String,
    /// `/contacts/{id}`
    path: String,
    summary: String,
    parameters: Vec<Parameter>,
    body: Option<Schema>,
    reply: Reply,
    vendor: AtVendor,
}

/// What an operation becomes at the vendor. JSON pointers are as the element's file has them.
#[derive(Debug, Clone)]
struct AtVendor {
    method: String,
    path: String,
    root: String,
    next: Option<String>,
}

#[derive(Debug, Clone)]
struct Parameter {
    name: String,
    place: Place,
    kind: ParameterKind,
    description: String,
    required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Query,
    Header,
}

#[derive(Debug, Clone, Copy)]
enum ParameterKind {
    Text,
    /// A whole number from 1.
    Count {
        most: Option<i64>,
    },
}

#[derive(Debug, Clone, Default)]
struct Reply {
    description: &'static str,
    schema: Option<Schema>,
    /// Names and descriptions.
    headers: Vec<(&'static str, &'static str)>,
}

/// The part of JSON Schema that both versions share.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Schema {
    Any,
    Of(FieldType),
    /// One of the definitions.
    Named(String),
    List(Box<Schema>),
    /// It may have others.
    Object(Vec<Member>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    schema: Schema,
    description: String,
    read_only: bool,
}

impl Document {
    /// Leaves one operation, and what it needs. None: there is no such operation.
    pub fn only(mut self, id: &str) -> Option<Self> {
        self.operations.retain(|operation| operation.id == id);
        let operation = self.operations.first()?;
        self.tags.retain(|(tag, _)| *tag == operation.tag);
        let schemas = || operation.body.iter().chain(&operation.reply.schema);
        self.definitions.retain(|name, _| name == ERROR || schemas().any(|schema| schema.mentions(name)));
        Some(self)
    }
}

impl Schema {
    fn text() -> Self {
        Self::Of(FieldType::String)
    }

    fn list(of: Self) -> Self {
        Self::List(Box::new(of))
    }

    fn mentions(&self, name: &str) -> bool {
        match self {
            Self::Any | Self::Of(_) => false,
            Self::Named(named) => named == name,
            Self::List(of) => of.mentions(name),
            Self::Object(members) => members.iter().any(|member| member.schema.mentions(name)),
        }
    }
}

impl Member {
    fn new(name: impl Into<String>, schema: Schema, description: impl Into<String>) -> Self {
        Self { name: name.into(), schema, description: description.into(), read_only: false }
    }
}
