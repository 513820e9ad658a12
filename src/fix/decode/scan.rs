//! The slow way to find fields, byte by byte: it knows every case, and decides what the unusual ones
//! mean. The fast way leaves them to it, and must agree with it on the rest.

use core::ops::Range;

use super::Rules;
use super::index::Index;
use crate::fix::frame::SOH;
use crate::fix::message::FaultAt;
use crate::fix::reason::{Garbled, RejectReason};
use crate::fix::tags::{CHECK_SUM, TAG_MAX, data_of_length, header_slot};
use crate::fix::value;

/// Finds where the fields of `content` begin, a message without its trailer: how many, and the first thing that is
/// wrong with one.
///
/// # Errors
/// [`Garbled::FieldMalformed`], [`Garbled::FieldsTooMany`].
pub(super) fn scan(
    content: &[u8],
    starts: &mut [u32],
    index: &mut Index,
    rules: &Rules,
) -> Result<(usize, Option<FaultAt>), Garbled> {
    index.begin();
    let mut scan = Scan {
        bytes: content,
        starts,
        index,
        rules,
        header_seen: 0,
        count: 0,
        at: 0,
        announced: None,
        in_body: false,
        fault: None,
    };
    while scan.at < content.len() {
        scan.field()?;
    }
    Ok((scan.count, scan.fault))
}

/// One pass over the fields.
struct Scan<'a, 't> {
    bytes: &'a [u8],
    /// Where each field begins, those whose tag is none included.
    starts: &'t mut [u32],
    index: &'t mut Index,
    rules: &'t Rules,
    /// A bit for each header field that has come.
    header_seen: u32,
    count: usize,
    at: usize,
    /// The data field that the last field announced, and its length.
    announced: Option<(u32, usize)>,
    in_body: bool,
    fault: Option<FaultAt>,
}

impl Scan<'_, '_> {
    fn field(&mut self) -> Result<(), Garbled> {
        let tag_start = self.at;
        let (tag, start) = self.tag()?;
        let tag_text = tag_start..start - 1;
        let end = self.value_end(tag, start)?;
        self.at = end + 1;
        let position = self.count;
        *self.starts.get_mut(position).ok_or(Garbled::FieldsTooMany)? = tag_start as u32;
        self.count += 1;
        let Some(tag) = tag else {
            self.announced = None;
            self.fault(RejectReason::InvalidTagNumber, tag_text);
            return Ok(());
        };
        self.announce(tag, start, end);
        if start == end && !self.rules.leniency.empty_values {
            self.fault(RejectReason::TagWithoutValue, tag_text.clone());
        }
        self.place(tag, tag_text);
        self.index.note(tag, position);
        Ok(())
    }

    /// The tag at the cursor and where its value begins; `None` for a number that no tag has.
    fn tag(&mut self) -> Result<(Option<u32>, usize), Garbled> {
        let negative = self.bytes[self.at] == b'-';
        let first = self.at + usize::from(negative);
        let mut tag = 0u32;
        for (digits, &byte) in self.bytes[first..].iter().enumerate() {
            match byte {
                b'0'..=b'9' => tag = tag.saturating_mul(10).saturating_add(u32::from(byte - b'0')),
                b'=' if digits > 0 => {
                    let valid = !negative && self.bytes[first] != b'0' && tag <= TAG_MAX;
                    return Ok((valid.then_some(tag), first + digits + 1));
                }
                _ => return Err(Garbled::FieldMalformed),
            }
        }
        Err(Garbled::FieldMalformed)
    }

    /// Where the value's SOH is: past as many bytes as were announced, or the next one.
    fn value_end(&mut self, tag: Option<u32>, start: usize) -> Result<usize, Garbled> {
        if let Some((data, len)) = self.announced
            && tag == Some(data)
        {
            let end = start.saturating_add(len);
            if self.bytes.get(end) == Some(&SOH) {
                return Ok(end);
            }
            self.fault(RejectReason::DataFormatIncorrect, self.at..start - 1);
        }
        find_soh(self.bytes, start).ok_or(Garbled::FieldMalformed)
    }

    fn announce(&mut self, tag: u32, start: usize, end: usize) {
        let of_others = || {
            let pairs = self.rules.data_fields.iter();
            pairs.copied().find(|(length, _)| *length == tag).map(|(_, data)| data)
        };
        self.announced = data_of_length(tag).or_else(of_others).and_then(|data| {
            let len = value::parse_u32(&self.bytes[start..end]).ok()?;
            Some((data, len as usize))
        });
    }

    /// Finds header fields that are repeated or follow the body, and CheckSum where it is not the last field.
    fn place(&mut self, tag: u32, tag_text: Range<usize>) {
        let Some(slot) = header_slot(tag) else {
            self.in_body = self.in_body || !self.rules.is_in_header(tag);
            if tag == CHECK_SUM {
                self.fault(RejectReason::TagOutOfOrder, tag_text);
            }
            return;
        };
        let bit = 1 << slot;
        if self.header_seen & bit != 0 {
            self.fault(RejectReason::TagRepeated, tag_text);
            return;
        }
        self.header_seen |= bit;
        if self.in_body && !self.rules.leniency.header_in_body {
            self.fault(RejectReason::TagOutOfOrder, tag_text);
        }
    }

    #[cold]
    fn fault(&mut self, reason: RejectReason, tag: Range<usize>) {
        let (start, end) = (tag.start as u32, tag.end as u32);
        self.fault.get_or_insert(FaultAt { reason, start, end });
    }
}

/// The next SOH at or after `from`, eight bytes at a time.
#[inline]
pub(super) fn find_soh(bytes: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let zero_where_soh = u64::from_le_bytes(*word) ^ ONES;
        let found = zero_where_soh.wrapping_sub(ONES) & !zero_where_soh & HIGHS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&byte| byte == SOH).map(|offset| at + offset)
}
