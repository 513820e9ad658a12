//! A dictionary as it was read, its components resolved: what [`Dictionary`](super::Dictionary) is
//! compiled from.

use std::sync::Arc;

use super::DataType;

/// A field and what its values may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its tag.
    pub tag: u32,
    /// What the dictionary calls it.
    pub name: String,
    /// Its type.
    pub kind: DataType,
    /// The values it may have; none for any.
    pub values: Vec<Vec<u8>>,
    /// What each of them is called; empty where the dictionary does not say.
    pub value_names: Vec<String>,
}

/// What stands in a message, a group's entry, the header or the trailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its tag; of a group that of the field that counts its entries.
    pub tag: u32,
    /// Whether it must be there.
    pub required: bool,
    /// What each entry is made of, its first field first; `None` for a plain field.
    pub group: Option<Arc<Vec<Part>>>,
}

/// A message type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSpec {
    /// The value of MsgType(35).
    pub msg_type: Vec<u8>,
    /// What the dictionary calls it.
    pub name: String,
    /// Its body.
    pub parts: Vec<Part>,
}

/// A whole dictionary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// Of the version it is for: `FIX.4.4`, `FIXT.1.1`, `FIX.5.0`.
    pub begin_string: String,
    /// The standard header.
    pub header: Vec<Part>,
    /// The standard trailer.
    pub trailer: Vec<Part>,
    /// Every message type.
    pub messages: Vec<MessageSpec>,
    /// Every field.
    pub fields: Vec<FieldSpec>,
    /// Tags of lengths, each with that of the data behind it.
    pub data_fields: Vec<(u32, u32)>,
    /// Of what FIXT speaks, tags that only the application's dictionary has: session messages do not know them.
    pub application_fields: Vec<u32>,
}

impl Spec {
    /// Tags of the header, those of groups in it among them.
    pub(super) fn header_fields(&self) -> Vec<u32> {
        let mut tags = Vec::new();
        let mut open: Vec<&[Part]> = vec![&self.header];
        while let Some(parts) = open.pop() {
            tags.extend(parts.iter().map(|part| part.tag));
            open.extend(parts.iter().filter_map(|part| part.group.as_deref().map(Vec::as_slice)));
        }
        tags
    }

    /// What FIXT speaks: header, trailer and session messages of `transport`, and the rest of these.
    /// Where both define something, the transport's counts. Session messages are held to
    /// the transport's alone.
    #[must_use]
    pub fn over(self, transport: Spec) -> Spec {
        let mut both = transport;
        for message in self.messages {
            if both.messages.iter().all(|known| known.msg_type != message.msg_type) {
                both.messages.push(message);
            }
        }
        let known: std::collections::HashSet<u32> =
            both.fields.iter().map(|field| field.tag).collect();
        both.data_fields.extend(self.data_fields);
        for field in self.fields.into_iter().filter(|field| !known.contains(&field.tag)) {
            both.application_fields.push(field.tag);
            both.fields.push(field);
        }
        both
    }
}
