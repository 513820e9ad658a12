//! What a string of bytes tells a peer and an application to do. Every string tells something; what is cut short
//! is filled up with zeros.

/// A segment, its numbers relative to what is expected.
#[derive(Debug)]
pub(crate) struct Coming {
    pub(crate) flags: u8,
    /// From RCV.NXT, or from the right edge of our window.
    pub(crate) seq: i64,
    pub(crate) is_from_edge: bool,
    /// From SND.NXT, or from SND.UNA.
    pub(crate) ack: i64,
    pub(crate) is_from_una: bool,
    pub(crate) window: u16,
    pub(crate) len: usize,
    /// What its bytes are made of: two segments may tell differently of one byte.
    pub(crate) fill: u8,
    /// Where options are agreed on.
    pub(crate) stamp: Stamp,
    /// Blocks of bytes that were received, from SND.UNA: the first, and that behind the last. Nothing keeps them to what was sent.
    pub(crate) blocks: Vec<(i64, i64)>,
}

/// The timestamp of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stamp {
    /// So much later than the latest that was taken, or earlier; and what it echoes, earlier by so much than what we sent last.
    Of {
        later: i32,
        echo_before: u32,
    },
    Missing,
}

/// A step.
#[derive(Debug)]
pub(crate) enum Op {
    Comes(Coming),
    Write(usize),
    Read(usize),
    Wait { ms: u64 },
    Shutdown,
    Abort,
    PathMtu(u16),
}

/// How the connection begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) is_active: bool,
    pub(crate) receive_buffer_bytes: usize,
    pub(crate) window: u16,
    pub(crate) mss: u16,
    pub(crate) sack: bool,
    /// Timestamps and scaled windows are agreed on, and segments have options.
    pub(crate) has_options: bool,
}

pub(crate) struct Ops<'a> {
    bytes: &'a [u8],
    has_options: bool,
}

impl<'a> Ops<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> (Beginning, Ops<'a>) {
        let mut ops = Ops { bytes, has_options: false };
        let kind = ops.byte();
        let has_options = kind & 0x80 != 0;
        ops.has_options = has_options;
        let buffers = [4_000, 1, 50, if has_options { 200_000 } else { 65_535 }];
        let beginning = Beginning {
            is_active: kind & 1 == 0,
            receive_buffer_bytes: buffers[usize::from(kind >> 1 & 3)],
            window: [20_000, 0, 1, 900][usize::from(kind >> 3 & 3)],
            mss: if kind & 0x20 == 0 { 1_000 } else { 50 },
            sack: kind & 0x40 == 0,
            has_options,
        };
        (beginning, ops)
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Numbers crowd round zero; the last of the byte's range stand for far ones.
    fn offset(&mut self) -> i64 {
        match self.byte() as i8 {
            near @ -100..100 => i64::from(near),
            far @ 100.. => [1_000, 3_999, 4_000, 20_000, 65_535, 1 << 20, 1 << 30, (1 << 31) - 1]
                [far as usize % 8],
            far => -[1_000, 4_000, 10_000, 20_000, 65_536, 1 << 20, 1 << 30, 1 << 31]
                [far.unsigned_abs() as usize % 8],
        }
    }

    /// Most are of now, or a little later; the rest is old, far ahead or not there.
    fn stamp(&mut self) -> (Stamp, usize) {
        if !self.has_options {
            return (Stamp::Missing, 0);
        }
        let kind = self.byte();
        let later = match kind & 15 {
            few @ 0..10 => i32::from(few),
            10 => 1_000,
            11 => -1,
            12 => -1_000,
            13 => i32::MIN + 1,
            14 => i32::MAX,
            _ => return (Stamp::Missing, usize::from(kind >> 6)),
        };
        let echo_before = [0, 1, 1_000, 0x9abc_def0][usize::from(kind >> 4 & 3)];
        (Stamp::Of { later, echo_before }, usize::from(kind >> 6))
    }

    fn blocks(&mut self, count: usize) -> Vec<(i64, i64)> {
        (0..count).map(|_| (self.offset(), self.offset())).map(|(at, len)| (at, at + len)).collect()
    }

    fn len(&mut self) -> usize {
        match self.byte() {
            short @ 0..200 => usize::from(short),
            long => usize::from(long - 199) * 90,
        }
    }
}

impl Iterator for Ops<'_> {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        if self.bytes.is_empty() {
            return None;
        }
        let kind = self.byte();
        Some(match kind {
            0..180 => {
                let flags =
                    [0x10, 0x18, 0x11, 0x19, 0x04, 0x14, 0x02, 0x12, 0x00, 0x01, 0x30, 0xff];
                let (seq, ack, len) = (self.offset(), self.offset(), self.len());
                let (stamp, blocks) = self.stamp();
                Op::Comes(Coming {
                    flags: flags[usize::from(kind % 12)],
                    seq,
                    is_from_edge: kind / 12 % 3 == 2,
                    ack,
                    is_from_una: kind / 36 % 2 == 1,
                    window: [20_000, 0, 1, 500, u16::MAX][usize::from(kind / 36)],
                    len,
                    fill: kind,
                    stamp,
                    blocks: self.blocks(blocks),
                })
            }
            180..210 => Op::Write(self.len()),
            210..235 => Op::Read(self.len()),
            235..246 => Op::Wait { ms: 1 << (self.byte() % 17) },
            246..251 => Op::Shutdown,
            251..253 => Op::Abort,
            253.. => Op::PathMtu(u16::from(self.byte()) * 8),
        })
    }
}
