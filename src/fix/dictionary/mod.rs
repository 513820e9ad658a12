//! Messages held against a data dictionary: which fields a message type has, which of them must be
//! there, what their values look like, and how repeating groups are nested.
//!
//! A [`Spec`] is compiled once to tables; a [`Validator`] holds messages against them, one pass over the
//! fields, without allocation. What is found first counts: an unknown message type, then a required field
//! that is nowhere in the message, then whatever is wrong in the order of the message, then the rest. Of a group
//! it is what its entries lack or have out of order, then the outermost wrong count, then their values.
//!
//! | file | what it does |
//! | --- | --- |
//! | `generate` | Rust out of it, with the feature `dictionary` |
//! | `datatype` | what a value of each type looks like |
//! | `spec` | a dictionary as it was read |
//! | `rule` | what a field's values are held against, compiled |
//! | `table` | what a dictionary is compiled to |
//! | `validate` | which dictionary, what is checked, what is found |
//! | `walk` | a message held against it, field after field |
//! | `plan` | the fastest way: a message with the tags of one before it |
//! | `xml` | reads QuickFIX's XML form, with the feature `dictionary` |

mod datatype;
#[cfg(feature = "dictionary")]
mod generate;
mod plan;
mod rule;
mod spec;
mod table;
mod validate;
mod walk;
#[cfg(feature = "dictionary")]
mod xml;

#[cfg(test)]
pub(super) mod tests;

use core::fmt;

pub use datatype::DataType;
#[cfg(feature = "dictionary")]
pub use generate::{GenerateError, Wanted, WantedTemplate, generate};
pub use spec::{FieldSpec, MessageSpec, Part, Spec};
pub use validate::{Checks, Validation, Validator, Violation};
#[cfg(feature = "dictionary")]
pub use xml::{DictionaryError, FILE_BYTES_MAX, read_xml};

/// The most fields of one message or group entry, header and trailer included: the largest of FIX 5.0 SP2
/// has about half as many.
pub const MEMBERS_MAX: usize = 64 * WORDS;
const WORDS: usize = 32;

/// A dictionary, compiled.
pub struct Dictionary {
    begin_string: String,
    data_fields: Vec<(u32, u32)>,
    header_fields: Vec<u32>,
    tables: table::Tables,
}

impl Dictionary {
    /// Compiles what was read. Groups are as deep as they are in `spec`: a reader bounds that.
    ///
    /// # Errors
    /// [`TooManyFields`].
    pub fn compile(spec: &Spec) -> Result<Dictionary, TooManyFields> {
        let tables = table::Tables::compile(spec).map_err(|_| TooManyFields)?;
        let (begin_string, data_fields) = (spec.begin_string.clone(), spec.data_fields.clone());
        let header_fields = spec.header_fields();
        Ok(Dictionary { begin_string, data_fields, header_fields, tables })
    }

    /// Tags of lengths, each with that of the data behind it.
    pub fn data_fields(&self) -> &[(u32, u32)] {
        &self.data_fields
    }

    /// Tags of the header, those of groups in it among them.
    pub fn header_fields(&self) -> &[u32] {
        &self.header_fields
    }

    /// The version it is for, as BeginString(8) has it.
    pub fn begin_string(&self) -> &str {
        &self.begin_string
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary").field("begin_string", &self.begin_string).finish()
    }
}

/// A message or a group's entry has more fields than [`MEMBERS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message or group has more than {MEMBERS_MAX} fields")]
pub struct TooManyFields;
