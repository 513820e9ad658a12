//! Completion queue entries: 64 bytes that the device writes and the host reads.
//!
//! Who owns an entry stands in its last byte, which the device writes last: an entry is looked at in the
//! order [`is_ours`] on that byte, an acquire fence, then the rest.

use super::received::Received;
use super::words::{ByteCount, OpOwn, Syndromes};

/// The length of an entry.
pub const CQE_LEN: usize = 64;

const OPCODE_RESP_SEND: u8 = 2;
const OPCODE_REQ_ERR: u8 = 13;
const OPCODE_RESP_ERR: u8 = 14;
const OPCODE_INVALID: u8 = 15;
const FORMAT_PLAIN: u8 = 0;
const FORMAT_COMPRESSED: u8 = 3;

pub(super) const AT_BYTE_COUNT: usize = 0x2c;
const AT_SYNDROMES: usize = 0x34;
pub(super) const AT_WQE_COUNTER: usize = 0x3c;
const AT_OP_OWN: usize = 0x3f;

/// The owner bit of entries that are the host's, for the entry that is the `consumer_index`-th ever, in a
/// queue of two to the power of `entries_log2`: it turns with each round of the queue.
pub const fn software_owner(consumer_index: u32, entries_log2: u32) -> bool {
    consumer_index >> (entries_log2 & 31) & 1 == 1
}

/// Whether an entry with this last byte is the host's to read. `owner` is [`software_owner`]'s. Before the
/// first round the device has written none, and the opcode says so.
pub const fn is_ours(op_own: u8, owner: bool) -> bool {
    let op_own = OpOwn::from_bits(op_own);
    op_own.opcode() != OPCODE_INVALID && op_own.owner() == owner
}

/// An entry that was the host's to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// A frame (a responder's SEND completed).
    Received(Received),
    /// The rest of a multi-packet buffer that no frame is put into.
    Filler {
        /// How many strides of it.
        strides: u16,
    },
    /// The title of several entries in one, packed eight bytes each into those behind it: of
    /// [`CompletionQueue`](super::CompletionQueue) they come one by one. A queue that stamps has none.
    Compressed {
        /// What they have in common, and the first one's work request; neither length nor strides.
        title: Received,
        /// How many.
        entries: u32,
    },
    /// A work request that failed; its queue is in error.
    Failed(CqeError),
}

/// Why an entry that is the host's cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CqeRefusal {
    /// Nothing of a receive queue's has this opcode.
    #[error("a completion with opcode {0}, which no frame received has")]
    Opcode(u8),
    /// The frame's bytes stand where what is said of it stands else.
    #[error(
        "a completion with the frame's bytes in it (format {0}): create the queue without scatter to CQE"
    )]
    InlineData(u8),
    /// Fewer than two frames, or more than the queue has entries.
    #[error("a compressed block of {0} frames, which its queue cannot have")]
    Block(u32),
}

/// Which end of a queue failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What we sent.
    Requester,
    /// What we were to receive.
    Responder,
}

/// What is said of a work request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CqeError {
    /// Whose it was.
    pub side: Side,
    /// What went wrong.
    pub syndrome: u8,
    /// The same, to whoever knows the firmware.
    pub vendor_syndrome: u8,
    /// Which work request.
    pub wqe_counter: u16,
}

impl CqeError {
    /// What the syndrome means (`MLX5_CQE_SYNDROME_*`).
    pub const fn in_words(&self) -> &'static str {
        match self.syndrome {
            0x01 => "the frame is longer than its buffer",
            0x02 => "the queue is not set up for this operation",
            0x04 => "the buffer is not in memory that was registered",
            0x05 => "flushed, since the queue was in error already",
            0x06 => "a memory window could not be bound",
            0x10 => "the response is not one that was expected",
            0x11 => "memory may not be accessed so",
            0x12 => "the other end calls the request invalid",
            0x13 => "the other end forbids the access",
            0x14 => "the other end could not complete the operation",
            0x15 => "no answer after all retries",
            0x16 => "the other end was never ready to receive",
            0x22 => "the other end aborted",
            _ => "a syndrome that nothing is known of",
        }
    }
}

impl Completion {
    /// The entry, or `None` where it is the device's still. `owner` is [`software_owner`]'s.
    ///
    /// # Errors
    /// It is the host's, and nothing that a receive queue has. The queue goes on behind it.
    pub fn decode(cqe: &[u8; CQE_LEN], owner: bool) -> Result<Option<Completion>, CqeRefusal> {
        if !is_ours(cqe[AT_OP_OWN], owner) {
            return Ok(None);
        }
        let op_own = OpOwn::from_bits(cqe[AT_OP_OWN]);
        let completion = match (op_own.opcode(), op_own.format()) {
            (OPCODE_REQ_ERR, _) => Completion::Failed(CqeError::read(cqe, Side::Requester)),
            (OPCODE_RESP_ERR, _) => Completion::Failed(CqeError::read(cqe, Side::Responder)),
            (OPCODE_RESP_SEND, FORMAT_COMPRESSED) => {
                let title = Received { byte_cnt: 0, strides: 0, ..Received::read(cqe) };
                Completion::Compressed { title, entries: u32_at(cqe, AT_BYTE_COUNT) }
            }
            (OPCODE_RESP_SEND, FORMAT_PLAIN) => {
                let count = ByteCount::from_bits(u32_at(cqe, AT_BYTE_COUNT));
                if count.filler() {
                    Completion::Filler { strides: count.strides() }
                } else {
                    Completion::Received(Received::read(cqe))
                }
            }
            (OPCODE_RESP_SEND, format) => return Err(CqeRefusal::InlineData(format)),
            (opcode, _) => return Err(CqeRefusal::Opcode(opcode)),
        };
        Ok(Some(completion))
    }

    /// The entry as a device writes it, into a queue whose owner bit is `owner`. For models and tests.
    pub fn encode(&self, owner: bool) -> [u8; CQE_LEN] {
        let mut cqe = [0; CQE_LEN];
        let op_own = OpOwn::new().with_owner(owner);
        let op_own = match self {
            Completion::Received(received) => {
                received.write(&mut cqe);
                op_own.with_opcode(OPCODE_RESP_SEND)
            }
            Completion::Filler { strides } => {
                let count = ByteCount::new().with_filler(true).with_strides(strides & STRIDES_MAX);
                put(&mut cqe, AT_BYTE_COUNT, count.into_bits().to_be_bytes());
                op_own.with_opcode(OPCODE_RESP_SEND)
            }
            Completion::Compressed { title, entries } => {
                title.write(&mut cqe);
                put(&mut cqe, AT_BYTE_COUNT, entries.to_be_bytes());
                op_own.with_opcode(OPCODE_RESP_SEND).with_format(FORMAT_COMPRESSED)
            }
            Completion::Failed(error) => {
                error.write(&mut cqe);
                op_own.with_opcode(match error.side {
                    Side::Requester => OPCODE_REQ_ERR,
                    Side::Responder => OPCODE_RESP_ERR,
                })
            }
        };
        cqe[AT_OP_OWN] = op_own.into_bits();
        cqe
    }
}

/// Leaves an entry as one that the device has never written.
pub(super) fn invalidate(cqe: &mut [u8; CQE_LEN]) {
    cqe[AT_OP_OWN] = OpOwn::new().with_opcode(OPCODE_INVALID).into_bits();
}

/// What a field of 15 bits holds.
pub(super) const STRIDES_MAX: u16 = 0x7fff;

impl CqeError {
    fn read(cqe: &[u8; CQE_LEN], side: Side) -> CqeError {
        let syndromes = Syndromes::from_bits(u32_at(cqe, AT_SYNDROMES));
        CqeError {
            side,
            syndrome: syndromes.syndrome(),
            vendor_syndrome: syndromes.vendor(),
            wqe_counter: u16_at(cqe, AT_WQE_COUNTER),
        }
    }

    fn write(&self, cqe: &mut [u8; CQE_LEN]) {
        let syndromes =
            Syndromes::new().with_syndrome(self.syndrome).with_vendor(self.vendor_syndrome);
        put(cqe, AT_SYNDROMES, syndromes.into_bits().to_be_bytes());
        put(cqe, AT_WQE_COUNTER, self.wqe_counter.to_be_bytes());
    }
}

pub(super) fn bytes_at<const LEN: usize>(cqe: &[u8; CQE_LEN], at: usize) -> [u8; LEN] {
    std::array::from_fn(|i| cqe[at + i])
}

pub(super) fn u16_at(cqe: &[u8; CQE_LEN], at: usize) -> u16 {
    u16::from_be_bytes(bytes_at(cqe, at))
}

pub(super) fn u32_at(cqe: &[u8; CQE_LEN], at: usize) -> u32 {
    u32::from_be_bytes(bytes_at(cqe, at))
}

pub(super) fn put<const LEN: usize>(cqe: &mut [u8; CQE_LEN], at: usize, bytes: [u8; LEN]) {
    cqe[at..at + LEN].copy_from_slice(&bytes);
}
