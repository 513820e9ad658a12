//! The keys of what both sides of a session agree on besides who they are.

use fixwire::fix::{Credentials, Precision};
use fixwire::offload::toml_file::{TomlError, TomlFile};
use toml::Spanned;

use super::keys::{Entry, comp_id};
use super::values::number;

/// What both sides agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) sender_sub_id: Option<String>,
    pub(crate) sender_location_id: Option<String>,
    pub(crate) target_sub_id: Option<String>,
    pub(crate) target_location_id: Option<String>,
    pub(crate) check_comp_id: bool,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) last_msg_seq_num_processed: bool,
    pub(crate) next_expected_msg_seq_num: bool,
    pub(crate) resend_request_chunk_size: u32,
    pub(crate) closed_resend_interval: bool,
    pub(crate) requires_orig_sending_time: bool,
    pub(crate) persist_messages: bool,
    pub(crate) precision: Precision,
}

/// A text that is shown to nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "***" })
    }
}

impl Default for Agreement {
    fn default() -> Agreement {
        Agreement {
            sender_sub_id: None,
            sender_location_id: None,
            target_sub_id: None,
            target_location_id: None,
            check_comp_id: true,
            username: String::new(),
            password: Secret::default(),
            last_msg_seq_num_processed: false,
            next_expected_msg_seq_num: false,
            resend_request_chunk_size: 0,
            closed_resend_interval: false,
            requires_orig_sending_time: true,
            persist_messages: true,
            precision: Precision::Millis,
        }
    }
}

impl Agreement {
    /// The other side's.
    pub(crate) fn mirrored(&self) -> Agreement {
        Agreement {
            sender_sub_id: self.target_sub_id.clone(),
            sender_location_id: self.target_location_id.clone(),
            target_sub_id: self.sender_sub_id.clone(),
            target_location_id: self.sender_location_id.clone(),
            ..self.clone()
        }
    }

    /// Username and Password, if there are any.
    pub(crate) fn credentials(&self) -> Option<Credentials> {
        Credentials::new(&self.username, &self.password.0)
    }
}

impl Entry {
    pub(super) fn agreement_over(
        &self,
        base: Agreement,
        file: &TomlFile,
    ) -> Result<Agreement, TomlError> {
        let id = |text: &Option<Spanned<String>>, key| comp_id(file, text.as_ref(), key);
        let word = |text: &Option<Spanned<String>>, key| -> Result<Option<String>, TomlError> {
            let Some(text) = text else { return Ok(None) };
            let usable =
                text.get_ref().is_empty() || Credentials::new(text.get_ref(), "").is_some();
            match usable {
                true => Ok(Some(text.get_ref().clone())),
                // It is not repeated: it may be a password.
                false => Err(file.error(
                    text.span(),
                    format!("`{key}` is too long, or holds a control character"),
                    "write up to 128 printable characters",
                )),
            }
        };
        let chunk = self.resend_request_chunk_size.as_ref();
        let precision = self.time_stamp_precision.as_ref();
        Ok(Agreement {
            sender_sub_id: id(&self.sender_sub_id, "sender_sub_id")?.or(base.sender_sub_id),
            sender_location_id: id(&self.sender_location_id, "sender_location_id")?
                .or(base.sender_location_id),
            target_sub_id: id(&self.target_sub_id, "target_sub_id")?.or(base.target_sub_id),
            target_location_id: id(&self.target_location_id, "target_location_id")?
                .or(base.target_location_id),
            check_comp_id: self.check_comp_id.unwrap_or(base.check_comp_id),
            username: word(&self.username, "username")?.unwrap_or(base.username),
            password: word(&self.password, "password")?.map_or(base.password, Secret),
            last_msg_seq_num_processed: self
                .enable_last_msg_seq_num_processed
                .unwrap_or(base.last_msg_seq_num_processed),
            next_expected_msg_seq_num: self
                .enable_next_expected_msg_seq_num
                .unwrap_or(base.next_expected_msg_seq_num),
            resend_request_chunk_size: number(
                file,
                chunk,
                "resend_request_chunk_size",
                0,
                1_000_000,
            )?
            .unwrap_or(base.resend_request_chunk_size),
            closed_resend_interval: self
                .closed_resend_interval
                .unwrap_or(base.closed_resend_interval),
            requires_orig_sending_time: self
                .requires_orig_sending_time
                .unwrap_or(base.requires_orig_sending_time),
            persist_messages: self.persist_messages.unwrap_or(base.persist_messages),
            precision: precision
                .map(|text| precision_of(file, text))
                .transpose()?
                .unwrap_or(base.precision),
        })
    }
}

fn precision_of(file: &TomlFile, text: &Spanned<String>) -> Result<Precision, TomlError> {
    match text.get_ref().to_ascii_lowercase().as_str() {
        "seconds" => Ok(Precision::Seconds),
        "millis" => Ok(Precision::Millis),
        "micros" => Ok(Precision::Micros),
        "nanos" => Ok(Precision::Nanos),
        _ => Err(file.bad_value(
            text,
            "time_stamp_precision",
            "write \"seconds\", \"millis\", \"micros\" or \"nanos\"",
        )),
    }
}
