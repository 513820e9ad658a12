//! The keys of how a session takes what a counterparty should not do: silence, gaps, numbers, garbled bytes,
//! messages of too many bytes or fields.

use fixwire::fix::LogonFields;
use fixwire::offload::toml_file::{TomlError, TomlFile};
use toml::Spanned;

use super::keys::Entry;
use super::values::number;

/// How a session takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conduct {
    /// Of the heartbeat interval, in hundredths.
    pub(crate) test_request_after_pct: u32,
    pub(crate) silence_max_pct: u32,
    pub(crate) silence_ends: bool,
    pub(crate) redundant_resend_requests: bool,
    pub(crate) validate_sequence_numbers: bool,
    pub(crate) reject_garbled: bool,
    /// What is longer, or has more fields, is garbled.
    pub(crate) message_bytes_max: usize,
    pub(crate) message_fields_max: usize,
    /// What our Logons have besides.
    pub(crate) logon_fields: LogonFields,
}

impl Default for Conduct {
    fn default() -> Conduct {
        Conduct {
            test_request_after_pct: 120,
            silence_max_pct: 240,
            silence_ends: true,
            redundant_resend_requests: false,
            validate_sequence_numbers: true,
            reject_garbled: false,
            message_bytes_max: 16 * 1024,
            message_fields_max: 256,
            logon_fields: LogonFields::default(),
        }
    }
}

/// A Logon has room in the least; the most is taken twice for each session.
const MESSAGE_BYTES: (i64, i64) = (1_024, 16 * 1024 * 1024);
/// As many as a Logon has in the least, and as a decoder counts.
const MESSAGE_FIELDS: (i64, i64) = (32, 65_535);
/// Ten intervals on top of one: who waits longer wants a longer interval.
const MULTIPLIER_MAX: f64 = 10.0;

impl Entry {
    pub(super) fn conduct_over(
        &self,
        base: Conduct,
        file: &TomlFile,
    ) -> Result<Conduct, TomlError> {
        let after = pct(
            file,
            self.test_request_delay_multiplier.as_ref(),
            "test_request_delay_multiplier",
        )?;
        let most = pct(
            file,
            self.heart_beat_timeout_multiplier.as_ref(),
            "heart_beat_timeout_multiplier",
        )?;
        let most_of = |value: &Option<Spanned<i64>>, key, (min, max)| {
            number::<usize>(file, value.as_ref(), key, min, max)
        };
        let bytes_max = most_of(&self.message_bytes_max, "message_bytes_max", MESSAGE_BYTES)?;
        let fields_max = most_of(&self.message_fields_max, "message_fields_max", MESSAGE_FIELDS)?;
        let logon_fields = self.logon_tags.as_deref().map(|named| logon_fields(file, named));
        Ok(Conduct {
            test_request_after_pct: after.unwrap_or(base.test_request_after_pct),
            silence_max_pct: most.unwrap_or(base.silence_max_pct),
            silence_ends: self.disable_heart_beat_check.map_or(base.silence_ends, |is| !is),
            redundant_resend_requests: self
                .send_redundant_resend_requests
                .unwrap_or(base.redundant_resend_requests),
            validate_sequence_numbers: self
                .validate_sequence_numbers
                .as_ref()
                .map_or(base.validate_sequence_numbers, |is| *is.get_ref()),
            reject_garbled: self.reject_garbled_message.unwrap_or(base.reject_garbled),
            message_bytes_max: bytes_max.unwrap_or(base.message_bytes_max),
            message_fields_max: fields_max.unwrap_or(base.message_fields_max),
            logon_fields: logon_fields.transpose()?.unwrap_or(base.logon_fields),
        })
    }
}

/// What a multiplier adds to an interval makes so many hundredths of it.
fn pct(file: &TomlFile, value: Option<&Spanned<f64>>, key: &str) -> Result<Option<u32>, TomlError> {
    let Some(value) = value else { return Ok(None) };
    let share = *value.get_ref();
    if (0.0..=MULTIPLIER_MAX).contains(&share) {
        return Ok(Some(100 + (share * 100.0).round() as u32));
    }
    Err(file.error(
        value.span(),
        format!("`{key}` is {share}"),
        "write what comes on top of the interval as a share of it, from 0 to 10, such as 0.5",
    ))
}

/// Reads `["464=Y"]`. Values are not repeated: one may be a password.
fn logon_fields(file: &TomlFile, named: &[Spanned<String>]) -> Result<LogonFields, TomlError> {
    let mut fields = LogonFields::default();
    for text in named {
        let field = text.get_ref().split_once('=');
        let Some((tag, value)) =
            field.and_then(|(tag, value)| Some((tag.trim().parse().ok()?, value)))
        else {
            return Err(file.error(
                text.span(),
                "`logon_tags` has one that is no tag and value".into(),
                "write a field as TAG=VALUE, such as \"464=Y\"",
            ));
        };
        fields.add(tag, value).map_err(|why| {
            file.error(text.span(), format!("`logon_tags` has {tag}"), &why.to_string())
        })?;
    }
    Ok(fields)
}
