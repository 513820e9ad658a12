//! The JSON Schema of profiles, for editors: made from the types that read them.

use schemars::{Schema, SchemaGenerator, json_schema, schema_for};
use serde_json::{Map, Value, json};

use super::Policy;
use super::eal;
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

pub(super) fn neighbors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["auto", "own", "kernel"] })
}

/// Arguments as `devargs::pairs` takes them apart.
pub(super) fn devargs(_: &mut SchemaGenerator) -> Schema {
    // What is seen of ASCII, but for `,`, `=` and brackets; and with the comma, in a list.
    let (sign, listed) = (r"[!-+\--<>-Z\\^-~]", r"[!-<>-Z\\^-~]");
    let list = format!(r"\[{listed}*\]");
    let pair = format!("{sign}+=({sign}+({list})?|{list})");
    json_schema!({ "type": "string", "pattern": format!("^({pair}(,{pair})*)?$") })
}

/// Arguments as `eal::check` takes them.
pub(super) fn eal_args(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": eal::ARGS_MAX,
        "items": { "type": "string", "maxLength": eal::ARG_LEN_MAX, "pattern": eal::pattern() },
    })
}

/// 1 to 65535 in decimal digits.
const PORT: &str =
    "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]";
/// 0 to 255.
const OCTET: &str = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

/// A rule as `flow::RuleEntry` reads it. A test holds the two together, but for what no pattern can say: bits
/// outside a mask, and a port that is zero by a mask or in hexadecimal digits.
pub(super) fn steering(_: &mut SchemaGenerator) -> Schema {
    let address = format!(r"{OCTET}(\.{OCTET}){{3}}");
    let address = format!("^(any|{address}(/(3[0-2]|[12]?[0-9]|{address}))?)$");
    let hexadecimal = "0x[0-9a-fA-F]{1,4}";
    let bits = format!("(0|{PORT}|{hexadecimal})");
    let port = json!({
        "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u16::MAX },
            { "type": "string", "pattern": format!("^(any|{PORT}|{hexadecimal}|{bits}/{bits})$") },
        ]
    });
    let action = format!("^(drop|queue (0|{PORT}))$");
    let with = |mut what: Value, description: &str| {
        what["description"] = description.into();
        what
    };
    let address = json!({ "type": "string", "pattern": address });
    let number = |max: u32| json!({ "type": "integer", "minimum": 0, "maximum": max });
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "vlan": with(json!({ "type": "integer", "minimum": 1, "maximum": 4094 }),
                    "the VLAN of the outermost tag; left out: with and without a tag"),
                "src": with(address.clone(), "the sender: an address, address/bits or address/mask; left out: any"),
                "dst": with(address, "the receiver, likewise"),
                "protocol": with(json!({ "enum": ["tcp", "any"] }),
                    "\"tcp\", which it is if left out, or \"any\": whatever IPv4 carries, fragments too"),
                "src_port": with(port.clone(), "the sender's port, or \"value/mask\"; left out: any"),
                "dst_port": with(port, "the receiver's, likewise"),
                "action": with(json!({ "type": "string", "pattern": action }),
                    "\"drop\" or \"queue N\"; the engine polls queue 0"),
                "priority": with(number(u32::MAX), "0, the highest, if left out; sessions have 1 and 2"),
                "mark": with(number(u32::MAX), "a number that the frame arrives with, by which the engine proves the device; no application sees it"),
                "count": with(json!({ "type": "boolean" }), "count its frames and bytes; the report of a run has them"),
            },
            "required": ["action"],
            "additionalProperties": false,
        },
    })
}

#[cfg(test)]
mod tests;
