//! A compressed block: one entry for what its frames have in common, the title, and eight bytes for each of them.
//!
//! The block takes as many entries as it has frames. The first array stands behind the title, the next ones where every
//! further eighth frame's entry would (`mlx5e_decompress_cqes_start`; `mlx5_rx_poll_len`). What a queue asks to have in
//! the minis is the hash (`mini_cqe_res_format`), so that where a frame lies is added up from the title on: a plain buffer
//! each, or of a multi-packet one the strides of those before it (`mlx5e_decompress_cqe`). A mini may be a filler, as an
//! entry may (`mpwrq_is_filler_cqe`; `MLX5_MPRQ_FILLER_MASK`).

use super::cqe::{CQE_LEN, Completion, STRIDES_MAX, bytes_at, put};
use super::received::Received;
use super::words::ByteCount;

/// How many there are in one entry.
pub const MINI_CQES: usize = 8;
const MINI_CQE_LEN: usize = CQE_LEN / MINI_CQES;

/// What a frame of a block has of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MiniCqe {
    /// By which it was spread over queues; 0 without.
    pub rss_hash: u32,
    /// The frame's length, in bytes.
    pub byte_cnt: u16,
    /// Of a multi-packet buffer, how many strides it took; 0 of a plain one.
    pub strides: u16,
    /// It is no frame, but strides that none is put into.
    pub filler: bool,
}

impl MiniCqe {
    /// What `frame` has of its own.
    pub const fn of(frame: &Received) -> MiniCqe {
        let Received { rss_hash, byte_cnt, strides, .. } = *frame;
        MiniCqe { rss_hash, byte_cnt, strides, filler: false }
    }

    /// So many strides that no frame is put into.
    pub const fn filler(strides: u16) -> MiniCqe {
        MiniCqe { rss_hash: 0, byte_cnt: 0, strides, filler: true }
    }

    /// What an entry of its own would say, of a block whose next work request or stride stands in `title`.
    pub(super) fn unpacked(self, title: &Received) -> Completion {
        let MiniCqe { rss_hash, byte_cnt, strides, filler } = self;
        if filler {
            return Completion::Filler { strides };
        }
        Completion::Received(Received { rss_hash, byte_cnt, strides, ..*title })
    }

    /// How far behind it the next one lies: by its strides, or where a buffer has none, by one work request.
    pub(super) fn takes(self) -> u16 {
        if self.filler { self.strides } else { self.strides.max(1) }
    }
}

/// The array in an entry.
pub(super) fn minis_of(cqe: &[u8; CQE_LEN]) -> [MiniCqe; MINI_CQES] {
    std::array::from_fn(|i| {
        let [rss_hash, count] =
            [0, 4].map(|at| u32::from_be_bytes(bytes_at(cqe, i * MINI_CQE_LEN + at)));
        let count = ByteCount::from_bits(count);
        let (byte_cnt, strides, filler) = (count.bytes(), count.strides(), count.filler());
        MiniCqe { rss_hash, byte_cnt, strides, filler }
    })
}

/// Whether a device would pack both into one block: they differ in nothing that a mini does not have.
pub fn are_alike(one: &Received, other: &Received) -> bool {
    let common = |frame: &Received| Received {
        rss_hash: 0,
        byte_cnt: 0,
        strides: 0,
        wqe_counter: 0,
        ..*frame
    };
    common(one) == common(other)
}

/// Writes what like frames and the fillers between them have of their own, at least two and no more than `ring` has
/// entries, as a device does: as one block from the entry that is the `producer_index`-th ever. `title` has the rest, and
/// where the first of them lies. The entries that it leaves unwritten are as they were. For models and tests.
pub fn write_block(
    ring: &mut [[u8; CQE_LEN]],
    producer_index: u32,
    owner: bool,
    title: &Received,
    minis: &[MiniCqe],
) {
    if minis.len() < 2 {
        return;
    }
    let len = ring.len();
    let at = |ahead: usize| (producer_index as usize + ahead) % len;
    for (nth, eight) in minis.chunks(MINI_CQES).enumerate() {
        let mut array = [0; CQE_LEN];
        for (i, mini) in eight.iter().enumerate() {
            let MiniCqe { rss_hash, byte_cnt, strides, filler } = *mini;
            let count = ByteCount::new()
                .with_bytes(byte_cnt)
                .with_strides(strides & STRIDES_MAX)
                .with_filler(filler);
            put(&mut array, i * MINI_CQE_LEN, rss_hash.to_be_bytes());
            put(&mut array, i * MINI_CQE_LEN + 4, count.into_bits().to_be_bytes());
        }
        ring[at((nth * MINI_CQES).max(1))] = array;
    }
    let entries = minis.len() as u32;
    ring[at(0)] = Completion::Compressed { title: *title, entries }.encode(owner);
}
