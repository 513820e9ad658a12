//! Messages as scripts write them: `TYPE SEQ | tag=value ...`, without what is the same in each.

use fixwire::fix::timestamp::Formatter;
use fixwire::fix::{Decoder, Encoder, Framed, Precision, Version, Whole, frame, tags};
use fixwire::time::UtcTime;

/// The fields of a header that each message has, in the order in which they are written.
const USUAL: [&str; 4] = ["34", "49", "52", "56"];

/// A message that comes.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    msg_type: String,
    seq: String,
    /// `tag=value`, or `-tag` for one of the usual fields that is left out.
    fields: Vec<String>,
}

impl Line {
    pub(crate) fn parse(text: &str) -> Result<Line, String> {
        let mut parts = text.split(" | ").map(str::trim);
        let head = parts.next().and_then(|head| head.split_once(' '));
        let (msg_type, seq) = head.ok_or("a message wants a type and a number")?;
        let fields = parts.map(str::to_owned).collect();
        Ok(Line { msg_type: msg_type.into(), seq: seq.trim().into(), fields })
    }

    /// Its bytes, from THEM to US. A field of the usual ones that is given replaces its own; `NOW` is the time, and
    /// DefaultApplVerID(1137) is there where the version has it.
    pub(crate) fn bytes(&self, version: Version, now: UtcTime) -> Vec<u8> {
        let now = text_of(version, now);
        let given = |tag: &str| {
            self.fields
                .iter()
                .find(|field| field.split('=').next() == Some(tag))
                .map(String::as_str)
        };
        let mut body = format!("35={}\x01", self.msg_type);
        for (tag, value) in USUAL.iter().zip([&self.seq[..], "THEM", &now, "US"]) {
            match given(tag) {
                Some(field) => body += &format!("{field}\x01"),
                None if self.fields.contains(&format!("-{tag}")) => {}
                None => body += &format!("{tag}={value}\x01"),
            }
        }
        for field in self.fields.iter().filter(|field| !field.starts_with('-')) {
            let tag = field.split('=').next().unwrap_or_default();
            if tag != "8" && !USUAL.contains(&tag) {
                body += &format!("{}\x01", field.replace("=NOW", &format!("={now}")));
            }
        }
        if let (Some(id), "A", None) =
            (version.default_appl_ver_id(), &self.msg_type[..], given("1137"))
            && !self.fields.iter().any(|field| field == "-1137")
        {
            body += &format!("1137={}\x01", id.value());
        }
        let begin_string = given("8").map_or(version.begin_string(), |field| &field[2..]);
        let mut message = format!("8={begin_string}\x019={}\x01{body}", body.len()).into_bytes();
        let sum = message.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256;
        message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        message
    }
}

/// The time as the version writes it.
fn text_of(version: Version, time: UtcTime) -> String {
    let precision = if version < Version::Fix42 { Precision::Seconds } else { Precision::Millis };
    let (mut slot, mut formatter) = ([0; 128], Formatter::default());
    let mut encoder = Encoder::begin(&mut slot, &mut formatter, "FIX.4.4", b"0");
    encoder.put_utc(tags::SENDING_TIME, time, precision);
    let len = encoder.finish().expect("a time");
    let mut decoder = Decoder::default();
    let message = decoder.parse(&slot[..len]).expect("a message");
    String::from_utf8_lossy(message.field(tags::SENDING_TIME).unwrap_or_default()).into_owned()
}

/// The first message of `sent`, taken out of it, as a script writes it: without framing, parties and SendingTime, which
/// are looked at here, and with `T` for OrigSendingTime.
pub(crate) fn take_first(sent: &mut Vec<u8>, version: Version) -> Result<Option<String>, String> {
    let Framed::Complete(Whole { len, .. }) = frame(sent, usize::MAX) else {
        return if sent.is_empty() { Ok(None) } else { Err("half a message has left".into()) };
    };
    let bytes: Vec<u8> = sent.drain(..len).collect();
    let shown = || String::from_utf8_lossy(&bytes).replace('\x01', "|");
    let mut decoder = Decoder::default();
    let message = decoder.parse(&bytes).map_err(|why| format!("{why} has left: {}", shown()))?;
    let text = |tag| String::from_utf8_lossy(message.field(tag).unwrap_or_default()).into_owned();
    let parties = (text(tags::SENDER_COMP_ID), text(tags::TARGET_COMP_ID));
    let sending_time = text(tags::SENDING_TIME);
    let wide = if version < Version::Fix42 { 17 } else { 21 };
    let is_usual = message.fault().is_none()
        && message.begin_string() == version.begin_string().as_bytes()
        && parties == ("US".to_owned(), "THEM".to_owned())
        && sending_time.len() == wide;
    if !is_usual {
        return Err(format!("its header is wrong: {}", shown()));
    }
    let mut line = format!("{} {}", text(tags::MSG_TYPE), text(tags::MSG_SEQ_NUM));
    let implied = [8, 9, 10, 34, 35, 49, 52, 56, tags::DEFAULT_APPL_VER_ID];
    for (tag, value) in message.fields().filter(|(tag, _)| !implied.contains(tag)) {
        let value = String::from_utf8_lossy(value);
        let is_original = tag == tags::ORIG_SENDING_TIME;
        line += &format!(" | {tag}={}", if is_original { "T" } else { &value });
    }
    Ok(Some(line))
}
