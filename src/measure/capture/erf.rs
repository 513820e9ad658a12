//! ERF, the Extensible Record Format of Endace's DAG cards and of others since: records one behind the other, with no header
//! in front of the first. Of its types those that hold an Ethernet frame are read.

use std::io::Read;

use super::fault::Fault;
use super::skips::{Skip, Skips};
use super::window::Window;
use super::{Order, Record};
use crate::measure::wire_time::Resolution;

/// Time 8, type 1, flags 1, record's length 2, loss or colour 2, wire's length 2.
const HEADER_LEN: usize = 16;
/// Bit 7 of a type: another header of eight bytes comes behind this one.
const HAS_EXTENSION: u8 = 0x80;
const EXTENSION_LEN: usize = 8;
/// In front of an Ethernet frame: an offset and a byte of padding.
const ETHERNET_LEN: usize = 2;
/// Filled with nothing.
const PAD: u8 = 48;
/// A record is told apart from other files by its type: the last that has a name, but for padding.
const TYPE_MAX: u8 = 27;

/// TYPE_ETH, TYPE_COLOR_ETH, TYPE_DSM_COLOR_ETH and TYPE_COLOR_HASH_ETH.
const ETHERNET: [u8; 4] = [2, 11, 16, 20];

mod flag {
    pub(super) const INTERFACE: u8 = 0b11;
    pub(super) const RX_ERROR: u8 = 1 << 4;
    pub(super) const DATA_STREAM_ERROR: u8 = 1 << 5;
}

/// Whether a file looks like records of this format: nothing in it says so, but the first two records have to be possible.
pub(super) fn is_likely<R: Read>(window: &mut Window<R>) -> std::io::Result<bool> {
    if !window.fill(HEADER_LEN)? {
        return Ok(false);
    }
    let Some(len) = possible_len(window.bytes()) else { return Ok(false) };
    // A second one is no longer than what a window holds behind the first.
    Ok(if window.fill(len + HEADER_LEN)? {
        possible_len(&window.bytes()[len..]).is_some()
    } else {
        window.bytes().len() == len
    })
}

/// The length that a record says it has, if one can begin like this.
fn possible_len(head: &[u8]) -> Option<usize> {
    let kind = head[8] & !HAS_EXTENSION;
    let len = usize::from(Order::Big.u16(head, 10));
    ((1..=TYPE_MAX).contains(&kind) || kind == PAD).then_some(len).filter(|len| *len >= HEADER_LEN)
}

/// The next record with an Ethernet frame, which is left at hand.
pub(super) fn record<R: Read>(
    window: &mut Window<R>,
    skips: &mut Skips,
) -> Result<Option<Record>, Fault> {
    loop {
        let is_whole = window.fill(HEADER_LEN)?;
        let offset = window.offset();
        if !is_whole {
            if !window.bytes().is_empty() {
                skips.note(Skip::CutOff, offset);
            }
            return Ok(None);
        }
        let total = possible_len(window.bytes()).ok_or(Fault::LengthsDisagree)?;
        if !window.fill(total)? {
            skips.note(Skip::CutOff, offset);
            return Ok(None);
        }
        let record = &window.bytes()[..total];
        match frame(record)? {
            Ok(record) => return Ok(Some(record)),
            Err(skip) => {
                if record[8] & !HAS_EXTENSION != PAD {
                    skips.note(skip, offset);
                }
            }
        }
        window.consume(total);
    }
}

fn frame(record: &[u8]) -> Result<Result<Record, Skip>, Fault> {
    let (kind, flags) = (record[8], record[9]);
    if !ETHERNET.contains(&(kind & !HAS_EXTENSION)) {
        return Ok(Err(Skip::NotEthernet));
    }
    if flags & (flag::RX_ERROR | flag::DATA_STREAM_ERROR) != 0 {
        return Ok(Err(Skip::Damaged));
    }
    let (mut begin, mut has_extension) = (HEADER_LEN, kind & HAS_EXTENSION != 0);
    while has_extension {
        has_extension = record.get(begin).ok_or(Fault::LengthsDisagree)? & HAS_EXTENSION != 0;
        begin += EXTENSION_LEN;
    }
    begin += ETHERNET_LEN;
    let room = record.len().checked_sub(begin).ok_or(Fault::LengthsDisagree)?;
    // Records are filled up to a multiple of eight bytes.
    let original_len = Order::Big.u16(record, 14);
    // The seconds stand in the upper half, their fraction in the lower: all of it counts 2^-32 s.
    let time = Resolution::binary(32).time(Order::Little.u64(record, 0));
    let Some(time) = time else { return Ok(Err(Skip::TimeOutOfRange)) };
    Ok(Ok(Record {
        begin,
        len: room.min(original_len.into()),
        total: record.len(),
        original_len: original_len.into(),
        time,
        interface: (flags & flag::INTERFACE).into(),
        fcs_len: None,
    }))
}
