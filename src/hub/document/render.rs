//! A document as JSON.

use serde_json::{Map, Value, json};
use url::Url;

use super::{Document, ERROR, Member, Operation, Parameter, ParameterKind, Place, Reply, Schema, Version};
use crate::catalog::resource::FieldType;

const JSON: &str = "application/json";
const SECURITY: &str = "elementToken";

/// How a document is written.
struct Writer<'a> {
    document: &'a Document,
    version: Version,
    /// Definitions stand where they are needed, instead of references.
    inline: bool,
}

impl Document {
    /// `base`: where the API begins, in front of `/hubs/{hub}`.
    pub fn render(&self, version: Version, base: &Url, inline: bool) -> Value {
        Writer { document: self, version, inline }.document(base)
    }
}

impl Writer<'_> {
    fn document(&self, base: &Url) -> Value {
        let Document { title, description, hub, .. } = self.document;
        let info = json!({ "title": title, "description": description, "version": env!("CARGO_PKG_VERSION") });
        let tags: Vec<Value> =
            self.document.tags.iter().map(|(name, about)| json!({ "name": name, "description": about })).collect();
        let paths = self.paths();
        let definitions = self.document.definitions.iter().map(|(name, schema)| (name.clone(), self.schema(schema)));
        let definitions: Map<String, Value> = definitions.collect();
        let path = format!("{}/hubs/{hub}", base.path().trim_end_matches('/'));
        let host = match (base.host_str().unwrap_or_default(), base.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let security = json!({ SECURITY: {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`User <user secret>, Organization <organization secret>, Element <instance token>`",
        } });
        let asked = json!([{ SECURITY: [] }]);
        if self.version == Version::OpenApi31 {
            return json!({
                "openapi": "3.1.0",
                "info": info,
                "servers": [{ "url": format!("{}://{host}{path}", base.scheme()) }],
                "tags": tags,
                "paths": paths,
                "components": { "schemas": definitions, "securitySchemes": security },
                "security": asked,
            });
        }
        let mut document = json!({
            "swagger": "2.0",
            "info": info,
            "host": host,
            "basePath": path,
            "schemes": [base.scheme()],
            "consumes": [JSON],
            "produces": [JSON],
            "tags": tags,
            "paths": paths,
            "definitions": definitions,
            "securityDefinitions": security,
            "security": asked,
        });
        // Swagger has no word for an IPv6 address: without `host` the one that served the document is meant.
        if host.starts_with('[')
            && let Value::Object(members) = &mut document
        {
            members.shift_remove("host");
        }
        document
    }

    fn paths(&self) -> Value {
        let mut paths = Map::new();
        for operation in &self.document.operations {
            let item = paths.entry(operation.path.as_str()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(item) = item {
                item.insert(operation.method.to_ascii_lowercase(), self.operation(operation));
            }
        }
        Value::Object(paths)
    }

    fn operation(&self, operation: &Operation) -> Value {
        let mut written = Map::new();
        let mut put = |name: &str, value: Value| drop(written.insert(name.to_owned(), value));
        put("operationId", operation.id.as_str().into());
        put("tags", json!([operation.tag]));
        put("summary", operation.summary.as_str().into());
        let mut parameters: Vec<Value> = operation.parameters.iter().map(|it| self.parameter(it)).collect();
        let body = operation.body.as_ref().map(|schema| self.schema(schema));
        match (self.version, body) {
            (Version::Swagger20, Some(schema)) => {
                let description = "A JSON object";
                parameters.push(json!({
                    "name": "body", "in": "body", "description": description, "required": true, "schema": schema,
                }));
                put("parameters", parameters.into());
            }
            (Version::OpenApi31, Some(schema)) => {
                put("parameters", parameters.into());
                put("requestBody", json!({ "required": true, "content": { JSON: { "schema": schema } } }));
            }
            (_, None) => put("parameters", parameters.into()),
        }
        let failure =
            Reply { description: "A failure", schema: Some(Schema::Named(ERROR.to_owned())), ..Reply::default() };
        put("responses", json!({ "200": self.reply(&operation.reply), "default": self.reply(&failure) }));
        Value::Object(written)
    }

    fn parameter(&self, parameter: &Parameter) -> Value {
        let place = match parameter.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        };
        let schema = match parameter.kind {
            ParameterKind::Text => json!({ "type": "string" }),
            ParameterKind::Count { most: None } => json!({ "type": "integer", "minimum": 1 }),
            ParameterKind::Count { most: Some(most) } => json!({ "type": "integer", "minimum": 1, "maximum": most }),
        };
        let mut written = Map::new();
        written.insert("name".to_owned(), parameter.name.as_str().into());
        written.insert("in".to_owned(), place.into());
        written.insert("description".to_owned(), parameter.description.as_str().into());
        written.insert("required".to_owned(), parameter.required.into());
        self.put_schema(&mut written, schema);
        Value::Object(written)
    }

    fn reply(&self, reply: &Reply) -> Value {
        let mut written = Map::new();
        written.insert("description".to_owned(), reply.description.into());
        if !reply.headers.is_empty() {
            let headers = reply.headers.iter().map(|(name, description)| {
                let mut header = Map::new();
                header.insert("description".to_owned(), (*description).into());
                self.put_schema(&mut header, json!({ "type": "string" }));
                ((*name).to_owned(), Value::Object(header))
            });
            written.insert("headers".to_owned(), Value::Object(headers.collect()));
        }
        if let Some(schema) = &reply.schema {
            let schema = self.schema(schema);
            match self.version {
                Version::Swagger20 => written.insert("schema".to_owned(), schema),
                Version::OpenApi31 => written.insert("content".to_owned(), json!({ JSON: { "schema": schema } })),
            };
        }
        Value::Object(written)
    }

    /// The type of a parameter or a header: its own members in Swagger, a schema since.
    fn put_schema(&self, to: &mut Map<String, Value>, schema: Value) {
        match (self.version, schema) {
            (Version::Swagger20, Value::Object(members)) => to.extend(members),
            (_, schema) => drop(to.insert("schema".to_owned(), schema)),
        }
    }

    fn schema(&self, schema: &Schema) -> Value {
        match schema {
            Schema::Any => json!({}),
            Schema::Of(kind) => of_kind(*kind),
            Schema::Named(name) => match self.document.definitions.get(name).filter(|_| self.inline) {
                Some(definition) => self.schema(definition),
                None => json!({ "$ref": format!("{}{name}", self.definitions_at()) }),
            },
            Schema::List(of) => json!({ "type": "array", "items": self.schema(of) }),
            Schema::Object(members) if members.is_empty() => of_kind(FieldType::Object),
            Schema::Object(members) => {
                let members = members.iter().map(|member| (member.name.clone(), self.member(member)));
                json!({ "type": "object", "properties": members.collect::<Map<_, _>>() })
            }
        }
    }

    fn member(&self, member: &Member) -> Value {
        let mut schema = self.schema(&member.schema);
        if let Value::Object(written) = &mut schema {
            if !member.description.is_empty() {
                written.insert("description".to_owned(), member.description.as_str().into());
            }
            if member.read_only {
                written.insert("readOnly".to_owned(), true.into());
            }
        }
        schema
    }

    fn definitions_at(&self) -> &'static str {
        match self.version {
            Version::Swagger20 => "#/definitions/",
            Version::OpenApi31 => "#/components/schemas/",
        }
    }
}

fn of_kind(kind: FieldType) -> Value {
    match kind {
        FieldType::String => json!({ "type": "string" }),
        FieldType::Number => json!({ "type": "number" }),
        FieldType::Boolean => json!({ "type": "boolean" }),
        FieldType::Date => json!({ "type": "string", "format": "date" }),
        FieldType::DateTime => json!({ "type": "string", "format": "date-time" }),
        FieldType::Object => json!({ "type": "object" }),
        FieldType::Array => json!({ "type": "array", "items": {} }),
    }
}
