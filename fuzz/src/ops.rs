//! What a string of bytes tells a peer and an application to do. Every string tells something; what is cut short
//! is filled up with zeros.

use super::model::{FIN, SYN};

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
    Wait {
        ms: u64,
    },
    Shutdown,
    Abort,
    PathMtu(u16),
    /// So much is sent as prepared now, or as prepared when it was asked for last.
    SendPrepared {
        len: usize,
        is_kept: bool,
    },
    /// What is ready to be sent is prepared, and kept.
    Prepare,
    /// It goes on in another stack.
    Move,
}

/// How the connection begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) is_active: bool,
    pub(crate) receive_buffer_bytes: usize,
    pub(crate) window: u16,
    pub(crate) mss: u16,
    pub(crate) ours: Offers,
    pub(crate) theirs: Offers,
    /// Segments that come before the one that opens it, at most.
    pub(crate) hostile: u8,
    /// The peer has begun as well, by a SYN of its own.
    pub(crate) is_simultaneous: bool,
    /// What ends a handshake in which we have answered is a SYN-ACK, not an ACK alone.
    pub(crate) ends_by_syn: bool,
    /// What their SYN or SYN-ACK says of marks is what the other of the two would say.
    pub(crate) mistakes_marks: bool,
}

/// What a SYN offers.
#[derive(Debug)]
pub(crate) struct Offers {
    pub(crate) sack: bool,
    pub(crate) timestamps: bool,
    pub(crate) scaling: bool,
    pub(crate) ecn: bool,
}

pub(crate) struct Ops<'a> {
    bytes: &'a [u8],
    has_options: bool,
}

impl Coming {
    /// What a SYN carries besides is told by scripts, not here.
    pub(crate) fn of_handshake(self) -> Coming {
        if self.flags & SYN == 0 {
            return self;
        }
        Coming { flags: self.flags & !FIN, len: 0, ..self }
    }
}

impl<'a> Ops<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> (Beginning, Ops<'a>) {
        let mut ops = Ops { bytes, has_options: false };
        let kind = ops.byte();
        let has_options = kind & 0x80 != 0;
        ops.has_options = has_options;
        let (more, other) = (ops.byte(), ops.byte());
        let ours = Offers {
            sack: kind & 0x40 == 0,
            timestamps: has_options != (more & 1 != 0),
            scaling: has_options != (more & 2 != 0),
            ecn: more & 4 != 0,
        };
        // As we do, but where a bit says otherwise.
        let theirs = Offers {
            sack: ours.sack != (other & 1 != 0),
            timestamps: ours.timestamps != (other & 2 != 0),
            scaling: ours.scaling != (other & 4 != 0),
            ecn: ours.ecn != (other & 8 != 0),
        };
        let buffers = [4_000, 1, 50, if has_options { 200_000 } else { 65_535 }];
        let beginning = Beginning {
            is_active: kind & 1 == 0,
            receive_buffer_bytes: buffers[usize::from(kind >> 1 & 3)],
            window: [20_000, 0, 1, 900][usize::from(kind >> 3 & 3)],
            mss: if kind & 0x20 == 0 { 1_000 } else { 50 },
            ours,
            theirs,
            hostile: more >> 3 & 7,
            is_simultaneous: more & 0x40 != 0,
            ends_by_syn: other & 16 != 0,
            mistakes_marks: other & 32 != 0,
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
            253 => Op::PathMtu(u16::from(self.byte()) * 8),
            254 => match self.byte() {
                len @ 0..100 => Op::SendPrepared { len: len.into(), is_kept: false },
                len @ 100..200 => Op::SendPrepared { len: usize::from(len) - 99, is_kept: true },
                200.. => Op::Prepare,
            },
            255 => Op::Move,
        })
    }
}
