//! A modelled ConnectX says what it has to say of frames as the device does: in entries of 64 bytes, which are read as
//! a driver reads them. What does not fit into them does not get through.

use fixwire_offload::nic::{Parsed, RxMeta};
use fixwire_offload::stamp::{Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use super::model::{Model, VerdictStyle};
use crate::mlx5::{
    CQE_LEN, Completion, CompletionQueue, CqeError, FlowTag, L3Header, L4Header, Received, Side,
    StampFormat, StampSource, are_alike, software_owner, write_block,
};

/// Entries of the completion queue, as a power of two.
const ENTRIES_LOG2: u32 = 8;
/// As many frames as a device puts into one block (DPDK's mlx5_rxtx_vec.c unpacks so many).
const BLOCK_MAX: usize = 64;
/// After how many frames a multi-packet buffer is done with, the rest of which no frame fits into.
const FRAMES_PER_BUFFER: u64 = 48;
/// The frame is longer than its buffer (`MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR`).
const LENGTH_ERROR: u8 = 0x01;
const NS_PER_S: u64 = 1_000_000_000;

impl Model {
    /// Whether it writes completion entries that are known here, and says no more than fits into one. A model
    /// that was changed to say bad, or to hand over unfinished sums, is no ConnectX any more.
    pub(super) fn writes_entries(&self) -> bool {
        let may_say_bad = matches!(
            self.verdicts,
            VerdictStyle::GoodOrBad | VerdictStyle::GoodUnlessBad | VerdictStyle::BadOrSilent
        );
        let fits = !may_say_bad && !self.capabilities.gives_none;
        fits && self.capabilities.driver.name == "mlx5_pci"
    }
}

/// What the device has to say of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    received: Received,
    queue: u16,
    source: Option<StampSource>,
    fails: bool,
}

impl Said {
    /// As much of `meta`, of a frame of `len` bytes, as an entry has room for; or that receiving it failed.
    pub(super) fn of(meta: &RxMeta, len: usize, fails: bool) -> Said {
        let is_tcp = meta.parsed == Parsed::Ipv4Tcp;
        let l3_ok = meta.l3 == Verdict::Good;
        let received = Received {
            l2_ok: true,
            l3_ok,
            l4_ok: meta.l4 == Verdict::Good,
            l3: if is_tcp || l3_ok { L3Header::Ipv4 } else { L3Header::None },
            l4: if is_tcp { L4Header::TcpAckWithData } else { L4Header::None },
            byte_cnt: u16::try_from(len).unwrap_or(u16::MAX),
            timestamp: meta.stamp.map_or(0, |stamp| field(&stamp)),
            flow_tag: meta.mark.and_then(FlowTag::of_dpdk_mark).unwrap_or_default(),
            ..Received::default()
        };
        Said { received, queue: meta.queue, source: meta.stamp.map(source), fails }
    }

    /// Whether both can be in one block. A queue that stamps has none.
    fn is_packed_with(&self, other: &Said) -> bool {
        let plain = |said: &Said| !said.fails && said.source.is_none();
        plain(self) && plain(other) && are_alike(&self.received, &other.received)
    }
}

/// A completion queue with both who are at it: the device, which writes what frames wait for, and the driver.
pub(super) struct Completions {
    ring: Box<[[u8; CQE_LEN]]>,
    producer_index: u32,
    driver: CompletionQueue,
    /// How many frames the device has written of.
    frames: u64,
    /// Those of the block that is written, kept for its room: polling allocates nothing.
    block: Vec<Received>,
}

impl Completions {
    /// A queue whose entries have never been written.
    pub(super) fn new() -> Completions {
        let ring = vec![[0xf0; CQE_LEN]; 1 << ENTRIES_LOG2].into_boxed_slice();
        let driver = CompletionQueue::new(ENTRIES_LOG2);
        let block = Vec::with_capacity(BLOCK_MAX);
        Completions { ring, producer_index: 0, driver, frames: 0, block }
    }

    /// Writes of the first of the frames that wait, and of those behind it that one block has room for. How many frames it
    /// has written of; all of them are to be read before it is to write of the next.
    pub(super) fn write<'a>(&mut self, waiting: impl Iterator<Item = &'a Said>) -> usize {
        let mut waiting = waiting.peekable();
        let Some(first) = waiting.peek().copied().copied() else { return 0 };
        let alike = waiting.take_while(|said| first.is_packed_with(said)).take(BLOCK_MAX);
        let counted = (self.frames..)
            .zip(alike)
            .map(|(nth, said)| Received { wqe_counter: nth as u16, ..said.received });
        self.block.clear();
        self.block.extend(counted);
        let written = self.block.len().max(1);
        let before = self.frames / FRAMES_PER_BUFFER;
        if self.block.len() > 1 {
            let owner = self.owner();
            write_block(&mut self.ring, self.producer_index, owner, &self.block);
            self.producer_index = self.producer_index.wrapping_add(written as u32);
        } else {
            let wqe_counter = self.frames as u16;
            self.put(&if first.fails {
                let (side, syndrome, vendor_syndrome) = (Side::Responder, LENGTH_ERROR, 0);
                Completion::Failed(CqeError { side, syndrome, vendor_syndrome, wqe_counter })
            } else {
                Completion::Received(Received { wqe_counter, ..first.received })
            });
        }
        self.frames += written as u64;
        if self.frames / FRAMES_PER_BUFFER > before {
            self.put(&Completion::Filler { strides: 1 });
        }
        written
    }

    fn owner(&self) -> bool {
        software_owner(self.producer_index, ENTRIES_LOG2)
    }

    fn put(&mut self, completion: &Completion) {
        let at = self.producer_index as usize % self.ring.len();
        self.ring[at] = completion.encode(self.owner());
        self.producer_index = self.producer_index.wrapping_add(1);
    }

    /// What the driver reads of the next frame, of which the device has said `said`; `None` where it did not come.
    pub(super) fn read(&mut self, said: &Said) -> Option<RxMeta> {
        loop {
            match self.driver.next(&mut self.ring) {
                Ok(Some(Completion::Received(read))) => {
                    return Some(read.meta(said.queue, said.source));
                }
                Ok(Some(Completion::Filler { .. })) => {}
                Ok(None | Some(Completion::Failed(_) | Completion::Compressed { .. })) | Err(_) => {
                    return None;
                }
            }
        }
    }
}

fn source(RxStamp { clock, generation, domain, .. }: RxStamp) -> StampSource {
    let format = match domain {
        Domain::NicNs => StampFormat::RealTime,
        _ => StampFormat::FreeRunning,
    };
    StampSource { clock, generation, format }
}

/// The timestamp as the device writes it.
fn field(stamp: &RxStamp) -> u64 {
    match source(*stamp).format {
        StampFormat::FreeRunning => stamp.ticks,
        StampFormat::RealTime => ((stamp.ticks / NS_PER_S) << 32) | (stamp.ticks % NS_PER_S),
    }
}

#[cfg(test)]
mod tests {
    use fixwire_offload::stamp::ClockId;
    use proptest::prelude::*;

    use super::*;

    fn meta() -> impl Strategy<Value = RxMeta> {
        let says = || prop::sample::select(vec![Verdict::Good, Verdict::Unknown]);
        let parsed = prop::sample::select(vec![Parsed::Ipv4Tcp, Parsed::Other]);
        let mark = prop::option::of(0u32..=0x00ff_ffef);
        // Real time until 2038, when its seconds take the bit that does not count.
        let stamp = prop_oneof![
            3 => Just(None),
            1 => (0..=u64::MAX >> 1).prop_map(|ticks| Some((Domain::NicTicks, ticks))),
            1 => (0..NS_PER_S << 31).prop_map(|ticks| Some((Domain::NicNs, ticks))),
        ];
        (any::<u16>(), mark, parsed, says(), says(), stamp).prop_map(
            |(queue, mark, parsed, l3, l4, stamp)| {
                let stamp = stamp.map(|(domain, ticks)| RxStamp {
                    clock: ClockId(1),
                    generation: 2,
                    domain,
                    ticks,
                });
                RxMeta { queue, mark, parsed, l3, l4, stamp, ..RxMeta::UNKNOWN }
            },
        )
    }

    /// What is read of frames that all wait before the first is polled.
    fn read_all(completions: &mut Completions, said: &[Said]) -> Vec<Option<RxMeta>> {
        let (mut written, mut read) = (0, Vec::new());
        for (nth, one) in said.iter().enumerate() {
            if nth == written {
                written += completions.write(said[nth..].iter());
            }
            read.push(completions.read(one));
        }
        read
    }

    proptest! {
        #[test]
        fn what_a_connectx_can_say_comes_through_as_it_was_and_what_failed_does_not_come(
            runs in prop::collection::vec(
                (meta(), 1usize..90, 60usize..1_400, prop::bool::weighted(0.2)), 1..20),
        ) {
            let mut completions = Completions::new();
            let of = |meta: RxMeta, len: usize, fails| {
                (Said::of(&meta, len, fails), (!fails).then_some(meta))
            };
            // Enough for several rounds of the queue.
            for run in runs.chunks(5).cycle().take(12) {
                let frames = run.iter().flat_map(|&(meta, count, len, fails)| {
                    (0..count).map(move |nth| of(meta, len + nth, fails && nth == count / 2))
                });
                let (said, expected): (Vec<_>, Vec<_>) = frames.unzip();
                prop_assert_eq!(read_all(&mut completions, &said), expected);
            }
        }
    }

    #[test]
    fn like_frames_that_wait_without_stamps_are_one_block_and_a_buffer_s_rest_is_a_filler() {
        let like = Said::of(&RxMeta::UNKNOWN, 60, false);
        let failed = Said::of(&RxMeta::UNKNOWN, 60, true);
        let stamp =
            RxStamp { clock: ClockId(1), generation: 0, domain: Domain::NicTicks, ticks: 7 };
        let stamped = Said::of(&RxMeta { stamp: Some(stamp), ..RxMeta::UNKNOWN }, 60, false);
        let marked = Said::of(&RxMeta { mark: Some(7), ..RxMeta::UNKNOWN }, 60, false);
        for (waiting, written) in [
            (vec![like; 100], 64),
            (vec![like, like, marked, like], 2),
            (vec![like, failed, like], 1),
            (vec![failed, failed], 1),
            (vec![stamped, stamped], 1),
        ] {
            let mut completions = Completions::new();
            assert_eq!(completions.write(waiting.iter()), written);
            let decode = |at: usize| Completion::decode(&completions.ring[at], false).unwrap();
            let is_block = matches!(decode(0), Some(Completion::Compressed { .. }));
            assert_eq!(is_block, written > 1);
            let filler = decode(written) == Some(Completion::Filler { strides: 1 });
            assert_eq!(filler, written > 48);
        }
    }

    #[test]
    fn what_it_cannot_say_does_not_come_through() {
        let bad = RxMeta { l3: Verdict::Bad, l4: Verdict::Bad, ..RxMeta::UNKNOWN };
        let said = Said::of(&RxMeta { mark: Some(0x00ff_fff0), ..bad }, 60, false);
        let meta = read_all(&mut Completions::new(), &[said])[0].unwrap();
        assert_eq!((meta.l3, meta.l4, meta.mark), (Verdict::Unknown, Verdict::Unknown, None));
    }

    #[test]
    fn every_connectx_writes_entries_and_nothing_else_does() {
        for name in super::super::models::names() {
            let writes = Model::named(name).unwrap().writes_entries();
            assert_eq!(writes, name.starts_with("connectx"), "{name}");
        }
    }
}
