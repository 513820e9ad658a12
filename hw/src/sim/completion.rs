//! A modelled ConnectX says what it has to say of frames as the device does: in entries of 64 bytes, which are read as
//! a driver reads them. What does not fit into them does not get through.

use std::collections::VecDeque;

use fixwire_offload::nic::{Parsed, RxMeta};
use fixwire_offload::stamp::{Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use super::model::{Model, VerdictStyle};
use crate::mlx5::{
    CQE_LEN, Completion, CompletionQueue, CqeError, FlowTag, L3Header, L4Header, MiniCqe, Received,
    Side, StampFormat, StampSource, are_alike, software_owner, write_block,
};

/// Entries of the completion queue, as a power of two.
const ENTRIES_LOG2: u32 = 8;
/// As many frames as a device puts into one block (DPDK's mlx5_rxtx_vec.c unpacks so many).
const BLOCK_MAX: usize = 64;
/// How many strides a multi-packet buffer has: enough for any frame, which is never in two buffers.
const STRIDES_PER_BUFFER: u32 = 256;
/// Bytes of a stride.
const STRIDE_LEN: u16 = 256;
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
    /// Strides of its buffers that the device has used.
    strides: u32,
    /// Of the frames that it has written of and the driver has not read: from which stride on each lies, and how long it is.
    places: VecDeque<(u16, u16)>,
    /// What is packed into the block that is written, kept for its room: polling allocates nothing.
    block: Vec<MiniCqe>,
}

impl Completions {
    /// A queue whose entries have never been written.
    pub(super) fn new() -> Completions {
        let ring = vec![[0xf0; CQE_LEN]; 1 << ENTRIES_LOG2].into_boxed_slice();
        let driver = CompletionQueue::new(ENTRIES_LOG2);
        let places = VecDeque::with_capacity(BLOCK_MAX);
        let block = Vec::with_capacity(2 * BLOCK_MAX);
        Completions { ring, producer_index: 0, driver, strides: 0, places, block }
    }

    /// Writes of the first of the frames that wait, and of those behind it that one block has room for. How many frames it
    /// has written of; all of them are to be read before it is to write of the next.
    pub(super) fn write<'a>(
        &mut self,
        mut waiting: impl Iterator<Item = &'a Said> + Clone,
    ) -> usize {
        let all = waiting.clone();
        let Some(first) = waiting.next() else { return 0 };
        let alike = all.take_while(|said| first.is_packed_with(said)).take(BLOCK_MAX);
        let count = alike.clone().count();
        if count < 2 {
            self.write_one(first);
            return 1;
        }
        self.write_block(&first.received, alike.map(|said| &said.received));
        count
    }

    fn write_one(&mut self, said: &Said) {
        if let Some(strides) = self.left_over(&said.received) {
            self.put(&Completion::Filler { strides });
        }
        let frame = self.placed(&said.received);
        if !said.fails {
            return self.put(&Completion::Received(frame));
        }
        self.places.pop_back();
        let (side, syndrome, vendor_syndrome) = (Side::Responder, LENGTH_ERROR, 0);
        let Received { wqe_counter, .. } = frame;
        self.put(&Completion::Failed(CqeError { side, syndrome, vendor_syndrome, wqe_counter }));
    }

    /// Whether a device goes on with a block in the next buffer nobody says. This one does, fillers and all, which is the
    /// harder to read.
    fn write_block<'a>(&mut self, like: &Received, frames: impl Iterator<Item = &'a Received>) {
        let title = Received { wqe_counter: self.strides as u16, ..*like };
        self.block.clear();
        for frame in frames {
            let left_over = self.left_over(frame);
            self.block.extend(left_over.map(MiniCqe::filler));
            let frame = self.placed(frame);
            self.block.push(MiniCqe::of(&frame));
        }
        let owner = self.owner();
        write_block(&mut self.ring, self.producer_index, owner, &title, &self.block);
        self.producer_index = self.producer_index.wrapping_add(self.block.len() as u32);
    }

    /// The strides of the buffer that are left, where the frame does not fit into them: they are left to none.
    fn left_over(&mut self, frame: &Received) -> Option<u16> {
        let left = STRIDES_PER_BUFFER - self.strides % STRIDES_PER_BUFFER;
        if left >= u32::from(strides_of(frame)) {
            return None;
        }
        self.strides = self.strides.wrapping_add(left);
        Some(left as u16)
    }

    /// The frame in the next strides.
    fn placed(&mut self, frame: &Received) -> Received {
        let (wqe_counter, strides) = (self.strides as u16, strides_of(frame));
        self.strides = self.strides.wrapping_add(strides.into());
        self.places.push_back((wqe_counter, frame.byte_cnt));
        Received { wqe_counter, strides, ..*frame }
    }

    fn owner(&self) -> bool {
        software_owner(self.producer_index, ENTRIES_LOG2)
    }

    fn put(&mut self, completion: &Completion) {
        let at = self.producer_index as usize % self.ring.len();
        self.ring[at] = completion.encode(self.owner());
        self.producer_index = self.producer_index.wrapping_add(1);
    }

    /// What the driver reads of the next frame, of which the device has said `said`; `None` where it did not come, or the
    /// driver would look for it where it does not lie.
    pub(super) fn read(&mut self, said: &Said) -> Option<RxMeta> {
        loop {
            match self.driver.next(&mut self.ring) {
                Ok(Some(Completion::Received(read))) => {
                    let place = (read.wqe_counter, read.byte_cnt);
                    let lies_there = self.places.pop_front() == Some(place);
                    return lies_there.then(|| read.meta(said.queue, said.source));
                }
                Ok(Some(Completion::Filler { .. })) => {}
                Ok(None | Some(Completion::Failed(_) | Completion::Compressed { .. })) | Err(_) => {
                    return None;
                }
            }
        }
    }
}

/// How many strides a frame takes.
fn strides_of(frame: &Received) -> u16 {
    frame.byte_cnt.div_ceil(STRIDE_LEN).max(1)
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
    use std::iter;

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
                (meta(), 1usize..90, 60usize..9_000, prop::bool::weighted(0.2)), 1..20),
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

    /// What a driver reads of the entries that `completions` has written.
    fn entries(completions: &mut Completions) -> Vec<Completion> {
        let mut driver = CompletionQueue::new(ENTRIES_LOG2);
        iter::from_fn(|| driver.next(&mut completions.ring).unwrap()).collect()
    }

    #[test]
    fn like_frames_that_wait_without_stamps_are_one_block() {
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
            let title = Completion::decode(&completions.ring[0], false).unwrap();
            assert_eq!(matches!(title, Some(Completion::Compressed { .. })), written > 1);
        }
    }

    #[test]
    fn a_buffer_s_rest_that_a_frame_does_not_fit_into_is_a_filler_in_a_block_or_beside_it() {
        // 40 frames of six strides, and sixteen strides of the buffer's 256 that are left.
        let of = |len| Said::of(&RxMeta::UNKNOWN, len, false);
        let waiting = [vec![of(1_500); 40], vec![of(5_000)]].concat();
        let filler = Completion::Filler { strides: 16 };
        let mut in_block = Completions::new();
        assert_eq!(in_block.write(waiting.iter()), 41);
        let mut beside = Completions::new();
        for said in &waiting {
            assert_eq!(beside.write(std::slice::from_ref(said).iter()), 1);
        }
        let in_block = entries(&mut in_block);
        assert_eq!(in_block, entries(&mut beside));
        assert_eq!((in_block.len(), in_block[40]), (42, filler));
        let Completion::Received(last) = in_block[41] else { panic!("{:?}", in_block[41]) };
        assert_eq!((last.wqe_counter, last.strides), (256, 20));
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
