//! The JSON Schema of profiles, for editors: made from the types that read them.

use schemars::{Schema, SchemaGenerator, json_schema, schema_for};
use serde_json::{Map, Value, json};

use super::Policy;
use super::file::File;
use crate::capability::Capability;

/// The schema, as `offload/profiles/profile.schema.json` has it.
pub fn schema() -> Value {
    let mut schema = schema_for!(File).to_value();
    forget_null(&mut schema);
    schema
}

/// A key that may be left out is no key that may be null: TOML has no such value.
fn forget_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.retain(|key, value| {
                !(key == "default" && (value.is_null() || value == &json!({})))
            });
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = &types[..] {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            object.values_mut().for_each(forget_null);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_null),
        _ => {}
    }
}

pub(super) fn offloads(_: &mut SchemaGenerator) -> Schema {
    let policies = Policy::ALL.map(Policy::name);
    let of = |capability: Capability| {
        // What is never used can be switched off, or be left alone.
        let allowed = if capability.always_off() { &policies[..2] } else { &policies[..] };
        json!({ "description": capability.doc(), "enum": allowed })
    };
    let properties: Map<String, Value> =
        Capability::ALL.into_iter().map(|known| (known.name().to_owned(), of(known))).collect();
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

pub(super) fn auto_any_or_number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "enum": ["auto", "any"] },
            { "type": "integer", "minimum": 0, "maximum": u16::MAX },
        ]
    })
}

pub(super) fn idle(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["spin", "yield"] })
}
