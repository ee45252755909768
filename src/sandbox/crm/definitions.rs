//! What properties the records of an account have: the standard ones, and those that its users add.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::kinds::Kind;
use super::values::{shown_time, text_of};

/// `name label type fieldType`, one in a line, of the properties that a program is likely to use; HubSpot has hundreds.
const STANDARD: &[(&str, &str)] = &[
    (
        "contacts",
        "email:Email:string:text firstname:First name:string:text lastname:Last name:string:text \
         phone:Phone number:string:phonenumber mobilephone:Mobile phone:string:phonenumber \
         company:Company name:string:text website:Website URL:string:text jobtitle:Job title:string:text \
         address:Street address:string:text city:City:string:text state:State/Region:string:text \
         zip:Postal code:string:text country:Country/Region:string:text numemployees:Employees:string:text \
         lifecyclestage:Lifecycle stage:enumeration:radio hs_lead_status:Lead status:enumeration:radio \
         lastmodifieddate:Last modified date:datetime:date",
    ),
    (
        "companies",
        "name:Company name:string:text domain:Domain name:string:text phone:Phone number:string:phonenumber \
         website:Website URL:string:text description:Description:string:textarea industry:Industry:string:text \
         address:Street address:string:text city:City:string:text state:State/Region:string:text \
         zip:Postal code:string:text country:Country/Region:string:text \
         numberofemployees:Number of employees:number:number annualrevenue:Annual revenue:number:number \
         lifecyclestage:Lifecycle stage:enumeration:radio",
    ),
    (
        "deals",
        "dealname:Deal name:string:text amount:Amount:number:number closedate:Close date:datetime:date \
         pipeline:Pipeline:string:text dealstage:Deal stage:string:text dealtype:Deal type:enumeration:radio \
         description:Description:string:textarea hs_priority:Priority:enumeration:select \
         deal_currency_code:Currency:string:text",
    ),
    (
        "tickets",
        "subject:Ticket name:string:text content:Description:string:textarea hs_pipeline:Pipeline:string:text \
         hs_pipeline_stage:Ticket status:string:text hs_ticket_priority:Priority:enumeration:select \
         hs_ticket_category:Category:string:text",
    ),
    (
        "products",
        "name:Name:string:text description:Description:string:textarea price:Unit price:number:number \
         hs_sku:SKU:string:text hs_cost_of_goods_sold:Unit cost:number:number hs_url:URL:string:text",
    ),
    (
        "line_items",
        "name:Name:string:text description:Description:string:textarea quantity:Quantity:number:number \
         price:Unit price:number:number amount:Net price:number:number discount:Unit discount:number:number \
         hs_product_id:Product ID:number:number hs_sku:SKU:string:text",
    ),
    (
        "leads",
        "hs_lead_name:Lead name:string:text hs_lead_type:Lead type:string:text hs_lead_label:Lead label:string:text \
         hs_pipeline:Pipeline:string:text hs_pipeline_stage:Stage:string:text",
    ),
];

const EVERYWHERE: &str = "hs_object_id:Record ID:number:number createdate:Create date:datetime:date \
                          hs_lastmodifieddate:Last modified date:datetime:date \
                          hubspot_owner_id:Owner:string:text hs_merged_object_ids:Merged record IDs:string:text";

/// Written by HubSpot alone.
const READ_ONLY: &[&str] = &["hs_object_id", "hs_lastmodifieddate", "lastmodifieddate", "hs_merged_object_ids"];

const OPTIONS: &[(&str, &[&str])] = &[
    (
        "lifecyclestage",
        &[
            "subscriber",
            "lead",
            "marketingqualifiedlead",
            "salesqualifiedlead",
            "opportunity",
            "customer",
            "evangelist",
            "other",
        ],
    ),
    ("hs_lead_status", &["NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "CONNECTED", "BAD_TIMING"]),
    ("dealtype", &["newbusiness", "existingbusiness"]),
    ("hs_priority", &["low", "medium", "high"]),
    ("hs_ticket_priority", &["LOW", "MEDIUM", "HIGH", "URGENT"]),
];

/// Properties and their groups, as the API shows them, by name. A custom kind begins without any, and takes whatever it
/// is given.
#[derive(Debug)]
pub struct Definitions {
    properties: BTreeMap<Kind, BTreeMap<String, Value>>,
    groups: BTreeMap<Kind, BTreeMap<String, Value>>,
}

impl Default for Definitions {
    fn default() -> Self {
        let (mut properties, mut groups) = (BTreeMap::new(), BTreeMap::new());
        for (name, lines) in STANDARD {
            let Ok(kind) = Kind::read(name) else { continue };
            let group = format!("{}information", kind.singular().replace('_', ""));
            let all = split(lines).chain(split(EVERYWHERE));
            properties.insert(kind.clone(), all.map(|line| standard(line, &group)).collect());
            let label = format!("{} information", kind.singular().replace('_', " "));
            let shown = json!({"name": group, "label": label, "displayOrder": 0, "archived": false});
            groups.insert(kind, BTreeMap::from([(group, shown)]));
        }
        Self { properties, groups }
    }
}

/// Labels have spaces: an entry ends with its third colon and one word.
fn split(lines: &str) -> impl Iterator<Item = [&str; 4]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        let (name, tail) = rest.trim_start().split_once(':')?;
        let (label, tail) = tail.split_once(':')?;
        let (kind, tail) = tail.split_once(':')?;
        let (field, tail) = tail.split_once(' ').unwrap_or((tail, ""));
        rest = tail;
        Some([name, label, kind, field])
    })
}

fn standard([name, label, kind, field]: [&str; 4], group: &str) -> (String, Value) {
    let listed = OPTIONS.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, options)| options);
    let options: Vec<Value> = listed
        .iter()
        .enumerate()
        .map(|(order, option)| json!({"label": option, "value": option, "displayOrder": order, "hidden": false}))
        .collect();
    let read_only = READ_ONLY.contains(&name);
    let shown = json!({
        "name": name, "label": label, "type": kind, "fieldType": field, "groupName": group, "description": "",
        "options": options, "displayOrder": -1, "calculated": false, "externalOptions": false,
        "hasUniqueValue": matches!(name, "hs_object_id"), "hidden": false, "hubspotDefined": true, "formField": true,
        "archived": false,
        "modificationMetadata": {"archivable": false, "readOnlyDefinition": true, "readOnlyValue": read_only},
    });
    (name.to_owned(), shown)
}

impl Definitions {
    pub fn properties(&mut self, kind: &Kind) -> &mut BTreeMap<String, Value> {
        self.properties.entry(kind.clone()).or_default()
    }

    pub fn groups(&mut self, kind: &Kind) -> &mut BTreeMap<String, Value> {
        self.groups.entry(kind.clone()).or_default()
    }

    pub fn find(&self, kind: &Kind, name: &str) -> Option<&Value> {
        self.properties.get(kind).and_then(|properties| properties.get(name))
    }

    /// `string`, `number`, `datetime` …
    pub fn type_of(&self, kind: &Kind, name: &str) -> &str {
        self.find(kind, name).and_then(|shown| shown.get("type")).and_then(Value::as_str).unwrap_or("string")
    }

    pub fn is_unique(&self, kind: &Kind, name: &str) -> bool {
        let unique = self.find(kind, name).and_then(|shown| shown.get("hasUniqueValue"));
        unique == Some(&Value::Bool(true)) || (kind.name() == "contacts" && name == "email")
    }
}

/// A property that a user adds; members that are not HubSpot's are dropped.
pub fn added(body: &Map<String, Value>, now: DateTime<Utc>) -> Value {
    let mut shown = json!({
        "name": "", "label": "", "type": "string", "fieldType": "text", "groupName": "", "description": "",
        "options": [], "displayOrder": -1, "calculated": false, "externalOptions": false, "hasUniqueValue": false,
        "hidden": false, "hubspotDefined": false, "formField": false, "archived": false,
        "createdAt": shown_time(now), "updatedAt": shown_time(now),
        "modificationMetadata": {"archivable": true, "readOnlyDefinition": false, "readOnlyValue": false},
    });
    merge(&mut shown, body);
    shown
}

/// Takes over the members that `shown` has already.
pub fn merge(shown: &mut Value, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if let Some(place) = shown.get_mut(name) {
            *place = value.clone();
        }
    }
}

/// The first of `names` without a text in it.
pub fn lacks<'a>(body: &Map<String, Value>, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| body.get(*name).and_then(text_of).is_none_or(|text| text.is_empty()))
}
