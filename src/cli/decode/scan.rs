//! Messages found in bytes that come in pieces: a stream, or a text in which a separator stands for SOH. What is
//! damaged is found as well, with what is wrong.

use std::fmt;

use fixwire::fix::frame::SOH;

/// The longest message that is looked at as one, in bytes; of a longer one this much is shown as cut off.
pub(super) const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// What of a line before a message is kept, in bytes.
const BEFORE_LEN_MAX: usize = 512;
/// As much as decides what a message begins with: BeginString, two separators and BodyLength.
const HEAD_LEN_MAX: usize = 48;
/// The longest that stands for SOH, in bytes: `\u0001`.
const SEPARATOR_LEN_MAX: usize = 6;
const BEGIN_STRING_LEN_MAX: usize = 12;
/// As much as shows what stands for SOH: BeginString, what stands behind it, and `9=`.
const SEPARATOR_BY_LEN: usize = 2 + BEGIN_STRING_LEN_MAX + SEPARATOR_LEN_MAX + 2;
/// What logs write for SOH.
const USUAL_SEPARATORS: [&[u8]; 7] =
    [b"|", b"^A", b"\\x01", b"\\u0001", b"<SOH>", "\u{2401}".as_bytes(), b";"];
const START: &[u8] = b"8=FIX";

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines, such as a log's: a separator may stand for SOH, and what is no message is somebody's own.
    Text,
    /// One direction of a connection: SOH, and nothing but messages.
    Stream,
}

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    BodyLengthWrong {
        said: String,
        is: usize,
    },
    CheckSumWrong {
        said: String,
        is: u8,
    },
    CheckSumMissing,
    /// Bytes of the stream that are in no packet.
    BytesMissing(u64),
    /// Bytes between messages.
    NotFix(u64),
}

impl Damage {
    /// Its name for machines.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Damage::BodyLengthWrong { .. } => "body_length_wrong",
            Damage::CheckSumWrong { .. } => "check_sum_wrong",
            Damage::CheckSumMissing => "check_sum_missing",
            Damage::BytesMissing(_) => "bytes_missing",
            Damage::NotFix(_) => "not_fix",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::BodyLengthWrong { said, is } => {
                write!(f, "BodyLength(9) says {said:?}, the body has {is} bytes")
            }
            Damage::CheckSumWrong { said, is } => {
                write!(f, "CheckSum(10) says {said:?}, the bytes add up to {is:03}")
            }
            Damage::CheckSumMissing => f.write_str("it ends without a CheckSum(10)"),
            Damage::BytesMissing(count) => {
                write!(f, "{count} bytes of the stream are in no packet here")
            }
            Damage::NotFix(count) => write!(f, "{count} bytes that are no FIX"),
        }
    }
}

/// A message, or what there is of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// What stands before it on its line.
    pub(super) before: Vec<u8>,
    /// With SOH for whatever stood for it. Empty where there is no message but damage.
    pub(super) bytes: Vec<u8>,
    /// Where it begins: bytes from the beginning of the input, and the line, from 1.
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) damage: Vec<Damage>,
}

/// What has come and was not told yet.
pub(super) struct Scanner {
    form: Form,
    buffer: Vec<u8>,
    /// Up to here the buffer is done with.
    at: usize,
    /// Of the buffer's first byte.
    offset: u64,
    /// At `at`.
    line: u64,
    /// Bytes of a stream that were no message, since the last.
    not_fix: u64,
    /// Found before the message to come.
    missing: u64,
    has_found: bool,
    /// What was passed over last ends in what may be a tag's beginning or a field's.
    is_behind_value: bool,
    /// What stands before the message at the front on its line.
    before: Vec<u8>,
}

/// What looking at the front came to.
enum Look {
    Message { len: usize, separator: Vec<u8>, is_whole: bool },
    More,
}

impl Scanner {
    pub(super) fn new(form: Form) -> Scanner {
        Scanner {
            form,
            buffer: Vec::new(),
            at: 0,
            offset: 0,
            line: 1,
            not_fix: 0,
            missing: 0,
            has_found: false,
            is_behind_value: false,
            before: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// So many bytes of the stream are not to be had, behind what has come. What that holds is at its end: to be asked
    /// for before more is pushed.
    pub(super) fn skip_missing(&mut self, count: u64) {
        self.missing += count;
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// Whether a message was found so far.
    pub(super) fn has_found(&self) -> bool {
        self.has_found
    }

    /// The next message in what has come; with `is_end`, whatever there is of it.
    pub(super) fn next(&mut self, is_end: bool) -> Option<Found> {
        let Some(start) = self.start() else {
            self.pass_over(is_end);
            return self.strangers(is_end);
        };
        if start > 0 {
            self.before = self.before(start);
            self.advance(start);
        }
        if let Some(found) = self.strangers(true) {
            return Some(found);
        }
        let Look::Message { len, separator, is_whole } = self.look(is_end) else { return None };
        let mut found = Found {
            before: std::mem::take(&mut self.before),
            offset: self.offset + self.at as u64,
            line: self.line,
            ..Found::default()
        };
        found.bytes = normalised(&self.buffer[self.at..self.at + len], &separator);
        if self.missing > 0 {
            found.damage.push(Damage::BytesMissing(std::mem::take(&mut self.missing)));
        }
        judge(&found.bytes, is_whole, &mut found.damage);
        self.at += len;
        self.line += newlines(&found.bytes);
        self.has_found = true;
        self.is_behind_value = false;
        Some(found)
    }

    /// Where a message begins, from the front.
    fn start(&self) -> Option<usize> {
        let bytes = &self.buffer[self.at..];
        let mut from = 0;
        while let Some(at) = find(&bytes[from..], START) {
            let at = from + at;
            let is_tail = match at {
                0 => self.is_behind_value,
                at => may_be_inside(bytes[at - 1]),
            };
            if !is_tail {
                return Some(at);
            }
            from = at + 1;
        }
        None
    }

    /// What stands before the message on its line.
    fn before(&self, start: usize) -> Vec<u8> {
        if self.form == Form::Stream {
            return Vec::new();
        }
        let all = &self.buffer[self.at..self.at + start];
        let line = all.iter().rposition(|byte| *byte == b'\n').map_or(all, |at| &all[at + 1..]);
        line[line.len().saturating_sub(BEFORE_LEN_MAX)..].to_vec()
    }

    /// Goes on to `len` bytes further, none of which are a message's.
    fn advance(&mut self, len: usize) {
        let passed = &self.buffer[self.at..self.at + len];
        self.line += newlines(passed);
        self.is_behind_value =
            passed.last().map_or(self.is_behind_value, |last| may_be_inside(*last));
        if self.form == Form::Stream {
            self.not_fix += len as u64;
        }
        self.at += len;
    }

    /// No message begins here: all is passed over but what may be the beginning of one, or of its line.
    fn pass_over(&mut self, is_end: bool) {
        let held = self.buffer.len() - self.at;
        let kept = match (is_end, self.form) {
            (true, _) => 0,
            (false, Form::Stream) => START.len() - 1,
            (false, Form::Text) => {
                let tail = &self.buffer[self.at..];
                let line = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                (tail.len() - line).clamp(START.len() - 1, BEFORE_LEN_MAX)
            }
        };
        self.advance(held - kept.min(held));
    }

    /// Bytes of a stream that are no message, once all of them are known.
    fn strangers(&mut self, is_all: bool) -> Option<Found> {
        if self.not_fix == 0 || !is_all || !self.has_found {
            self.not_fix = if is_all { 0 } else { self.not_fix };
            return None;
        }
        let count = std::mem::take(&mut self.not_fix);
        Some(Found {
            offset: (self.offset + self.at as u64).saturating_sub(count),
            line: self.line,
            damage: vec![Damage::NotFix(count)],
            ..Found::default()
        })
    }

    /// The message at the front.
    fn look(&self, is_end: bool) -> Look {
        let bytes = &self.buffer[self.at..];
        if bytes.len() < SEPARATOR_BY_LEN && !is_end {
            return Look::More;
        }
        let separator = separator(bytes, self.form);
        let head = head(bytes, separator[0]).filter(|_| separator.len() == 1);
        if head.is_none() && bytes.len() < HEAD_LEN_MAX && !is_end {
            return Look::More;
        }
        if let Some((body, body_len)) = head
            && body_len <= MESSAGE_BYTES_MAX
        {
            let end = body + body_len;
            match bytes.get(end..).and_then(|rest| trailer(rest, &separator, self.form, is_end)) {
                Some(Trailer::Whole(len)) => {
                    return Look::Message { len: end + len, separator, is_whole: true };
                }
                Some(Trailer::More) => return Look::More,
                Some(Trailer::No) => {}
                None if is_end => {}
                None => return Look::More,
            }
        }
        self.to_its_end(bytes, separator, is_end)
    }

    /// A message whose BodyLength does not lead to its end: by its CheckSum field, or by what begins behind it.
    fn to_its_end(&self, bytes: &[u8], separator: Vec<u8>, is_end: bool) -> Look {
        let mut at = START.len();
        while at < bytes.len().min(MESSAGE_BYTES_MAX) {
            let rest = &bytes[at..];
            let is_cut = self.form == Form::Text && (rest[0] == b'\n' || rest[0] == b'\r');
            if is_cut || (rest.starts_with(START) && !may_be_inside(bytes[at - 1])) {
                return Look::Message { len: at, separator, is_whole: false };
            }
            if rest.starts_with(&separator) {
                match trailer(&rest[separator.len()..], &separator, self.form, is_end) {
                    Some(Trailer::Whole(len)) => {
                        let len = at + separator.len() + len;
                        return Look::Message { len, separator, is_whole: true };
                    }
                    Some(Trailer::More) => return Look::More,
                    Some(Trailer::No) | None => {}
                }
            }
            at += 1;
        }
        if is_end || bytes.len() >= MESSAGE_BYTES_MAX {
            let len = bytes.len().min(MESSAGE_BYTES_MAX);
            return Look::Message { len, separator, is_whole: false };
        }
        Look::More
    }
}

/// What stands for SOH in a message: whatever stands between the first two fields.
fn separator(bytes: &[u8], form: Form) -> Vec<u8> {
    let soh = vec![SOH];
    if form == Form::Stream {
        return soh;
    }
    let is_of_value = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    let begin_string = bytes[2..].iter().take(BEGIN_STRING_LEN_MAX).take_while(|b| is_of_value(b));
    let end = 2 + begin_string.count();
    let rest = &bytes[end..];
    let found = (1..=SEPARATOR_LEN_MAX).find(|len| {
        rest.get(*len..).is_some_and(|rest| rest.starts_with(b"9="))
            && !rest[..*len].contains(&b'\n')
    });
    // Otherwise some other field is the second.
    let usual = || USUAL_SEPARATORS.into_iter().find(|usual| rest.starts_with(usual));
    found.map(|len| &rest[..len]).or_else(usual).map_or(soh, <[u8]>::to_vec)
}

/// Where the body begins and how long it is said to be.
fn head(bytes: &[u8], separator: u8) -> Option<(usize, usize)> {
    let first = bytes.iter().take(HEAD_LEN_MAX).position(|byte| *byte == separator)?;
    let rest = bytes[first + 1..].strip_prefix(b"9=")?;
    let digits = rest.iter().take(10).position(|byte| *byte == separator)?;
    let value = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    Some((first + 3 + digits + 1, value))
}

enum Trailer {
    /// So many bytes.
    Whole(usize),
    No,
    More,
}

/// Whether `10=nnn` and its separator come next. In a text the last separator may be left out.
fn trailer(rest: &[u8], separator: &[u8], form: Form, is_end: bool) -> Option<Trailer> {
    const FIELD_LEN: usize = "10=nnn".len();
    let is_alike = |(at, byte): (usize, &u8)| match at {
        0..=2 => *byte == b"10="[at],
        _ => byte.is_ascii_digit(),
    };
    if !rest.iter().take(FIELD_LEN).enumerate().all(is_alike) {
        return Some(Trailer::No);
    }
    let whole = FIELD_LEN + separator.len();
    if rest.len() < whole {
        let ends_here = form == Form::Text && rest.len() >= FIELD_LEN && is_end;
        if ends_here {
            return Some(Trailer::Whole(FIELD_LEN));
        }
        if is_end {
            return Some(Trailer::No);
        }
        let next = rest.get(FIELD_LEN..).unwrap_or_default();
        let may_come = separator.starts_with(next) || next.is_empty();
        if may_come {
            return Some(Trailer::More);
        }
    }
    let behind = &rest[FIELD_LEN..];
    if behind.starts_with(separator) {
        return Some(Trailer::Whole(whole));
    }
    let is_line_end = |byte: &u8| byte.is_ascii_whitespace() || b"\"'),".contains(byte);
    let is_over = form == Form::Text && behind.first().is_some_and(is_line_end);
    Some(if is_over { Trailer::Whole(FIELD_LEN) } else { Trailer::No })
}

/// The message with SOH for its separator.
fn normalised(text: &[u8], separator: &[u8]) -> Vec<u8> {
    const JSON: &[u8] = b"\\u0001";
    if separator == [SOH] {
        let mut bytes = text.to_vec();
        end_with_separator(&mut bytes);
        return bytes;
    }
    if separator == JSON
        && let Ok(quoted) = std::str::from_utf8(text)
        && let Ok(plain) = serde_json::from_str::<String>(&format!("\"{quoted}\""))
    {
        let mut bytes = plain.into_bytes();
        end_with_separator(&mut bytes);
        return bytes;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(byte) = rest.first() {
        if let Some(behind) = rest.strip_prefix(separator) {
            bytes.push(SOH);
            rest = behind;
        } else {
            bytes.push(*byte);
            rest = &rest[1..];
        }
    }
    end_with_separator(&mut bytes);
    bytes
}

/// Writes the SOH that a text left out behind CheckSum.
fn end_with_separator(bytes: &mut Vec<u8>) {
    let is_trailer = bytes.len() > 7 && bytes[..bytes.len() - 6].ends_with(&[SOH]);
    if is_trailer && bytes[bytes.len() - 6..].starts_with(b"10=") {
        bytes.push(SOH);
    }
}

/// Holds a message's bytes against its BodyLength and CheckSum.
fn judge(bytes: &[u8], is_whole: bool, damage: &mut Vec<Damage>) {
    const TRAILER_LEN: usize = 7;
    let fields: Vec<&[u8]> = bytes.splitn(3, |byte| *byte == SOH).collect();
    let said = fields.get(1).and_then(|field| field.strip_prefix(b"9="));
    let before_body = 1 + usize::from(said.is_some());
    let body_at = fields.iter().take(before_body).map(|field| field.len() + 1).sum::<usize>();
    let end = if is_whole { bytes.len().saturating_sub(TRAILER_LEN) } else { bytes.len() };
    let is = end.saturating_sub(body_at);
    let said_len: Option<usize> =
        said.and_then(|said| std::str::from_utf8(said).ok()).and_then(|said| said.parse().ok());
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if said_len != Some(is) {
        let said = said.map(shown).unwrap_or_default();
        damage.push(Damage::BodyLengthWrong { said, is });
    }
    if !is_whole {
        damage.push(Damage::CheckSumMissing);
        return;
    }
    let sum = bytes[..end].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let said = &bytes[end..];
    let said = said.get(3..6).unwrap_or_default();
    if said != format!("{sum:03}").as_bytes() {
        damage.push(Damage::CheckSumWrong { said: shown(said), is: sum });
    }
}

/// Whether `8=FIX` behind this byte is part of a field: of `58=FIX`, or of `58=8=FIX`.
fn may_be_inside(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'='
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = what[0];
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(what) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
