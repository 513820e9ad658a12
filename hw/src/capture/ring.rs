//! The bounded ring between the polling core and the writer: records of a header and a frame's bytes,
//! each there whole or not at all. A frame that finds no room is counted and forgotten.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fixwire_offload::nic::{BURST_MAX, Frame};
use rtrb::chunks::WriteChunk;
use rtrb::{Consumer, Producer, RingBuffer};

use super::counters::Shared;
use super::record::{HEADER_LEN, Record, Way};

/// The longest frame that is kept whole, in bytes; of a longer one this much is.
pub(super) const SNAP_LEN: usize = 65_535;

/// A ring of `len` bytes, held at room for one frame of the longest at least.
pub(super) fn ring(len: usize, shared: &Arc<Shared>) -> (Recorder, Reader) {
    let (mut producer, mut consumer) = RingBuffer::new(len.max(HEADER_LEN + SNAP_LEN));
    touch(&mut producer, &mut consumer);
    let recorder =
        Recorder { ring: producer, shared: Arc::clone(shared), ways: [Tally::default(); 2] };
    (recorder, Reader { ring: consumer })
}

/// Writes every byte once, so that the kernel has the pages at hand before the first frame comes.
fn touch(producer: &mut Producer<u8>, consumer: &mut Consumer<u8>) {
    let all = producer.slots();
    if let Ok(chunk) = producer.write_chunk(all) {
        chunk.commit_all();
    }
    if let Ok(chunk) = consumer.read_chunk(all) {
        chunk.commit_all();
    }
}

/// The polling core's end. Nothing here waits, allocates or calls the kernel.
pub(super) struct Recorder {
    ring: Producer<u8>,
    shared: Arc<Shared>,
    /// By [`Way`].
    ways: [Tally; 2],
}

/// The polling core's own count of frames that went one way.
#[derive(Clone, Copy, Default)]
struct Tally {
    offered: u64,
    ring_full: u64,
}

impl Recorder {
    /// Copies frames from the front of `frames`, as many as the ring has room for. The writer sees
    /// none of them before [`Staged::commit`].
    #[inline]
    pub(super) fn stage<F: Frame>(
        &mut self,
        way: Way,
        frames: &[F],
        describe: impl Fn(&F) -> Record,
    ) -> Staged<'_> {
        let mut ends = [0; BURST_MAX];
        let mut wanted = 0;
        for (end, frame) in ends.iter_mut().zip(frames) {
            wanted += HEADER_LEN + frame_len(frame).min(SNAP_LEN);
            *end = wanted;
        }
        let asked = frames.len().min(BURST_MAX);
        let cached = self.ring.cached_slots();
        let room = if cached >= wanted { wanted } else { self.ring.slots() };
        let fitting = ends[..asked].partition_point(|end| *end <= room);
        let len = if fitting == 0 { 0 } else { ends[fitting - 1] };
        let tally = &mut self.ways[way as usize];
        let mut chunk = self.ring.write_chunk(len).ok();
        if let Some(chunk) = &mut chunk {
            let (first, second) = chunk.as_mut_slices();
            let mut room = Room { first, second };
            for (number, frame) in (tally.offered..).zip(&frames[..fitting]) {
                room.put_frame(Record { number, ..describe(frame) }, frame);
            }
        }
        Staged { chunk, ends, fitting, tally, shared: &self.shared, way }
    }
}

/// Copies in the ring that the writer does not see yet. Dropped, they are forgotten uncounted.
pub(super) struct Staged<'a> {
    chunk: Option<WriteChunk<'a, u8>>,
    /// Where each copy ends, in bytes from the first one's beginning.
    ends: [usize; BURST_MAX],
    /// How many copies there are.
    fitting: usize,
    tally: &'a mut Tally,
    shared: &'a Shared,
    way: Way,
}

impl Staged<'_> {
    /// Gives the first `frames` of the burst to the writer and forgets the rest.
    #[inline]
    pub(super) fn commit(self, frames: usize) {
        let kept = frames.min(self.fitting);
        if let (Some(chunk), Some(last)) = (self.chunk, kept.checked_sub(1)) {
            chunk.commit(self.ends[last]);
        }
        let tally = self.tally;
        tally.offered += frames as u64;
        let counted = self.shared.by_poller(self.way);
        counted.offered.store(tally.offered, Ordering::Relaxed);
        if frames > kept {
            tally.ring_full += (frames - kept) as u64;
            counted.ring_full.store(tally.ring_full, Ordering::Relaxed);
        }
    }
}

fn frame_len<F: Frame>(frame: &F) -> usize {
    (0..frame.segments()).map(|index| frame.segment(index).len()).sum()
}

/// What is left of a chunk, which may lie around the ring's end.
struct Room<'a> {
    first: &'a mut [u8],
    second: &'a mut [u8],
}

impl Room<'_> {
    #[inline]
    fn put_frame<F: Frame>(&mut self, record: Record, frame: &F) {
        let len = frame_len(frame);
        let mut left = len.min(SNAP_LEN);
        let record = Record { kept_len: left as u32, original_len: len as u32, ..record };
        self.put(&record.to_bytes());
        for index in 0..frame.segments() {
            let piece = frame.segment(index);
            let piece = &piece[..piece.len().min(left)];
            self.put(piece);
            left -= piece.len();
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let (before_end, around) = bytes.split_at(bytes.len().min(self.first.len()));
        put_in(&mut self.first, before_end);
        if !around.is_empty() {
            put_in(&mut self.second, around);
        }
    }
}

#[inline]
fn put_in(room: &mut &mut [u8], bytes: &[u8]) {
    let (here, rest) = core::mem::take(room).split_at_mut(bytes.len());
    here.copy_from_slice(bytes);
    *room = rest;
}

/// The writer's end.
pub(super) struct Reader {
    ring: Consumer<u8>,
}

impl Reader {
    /// Takes the next frame out, its bytes into the front of `frame`, which has room for the longest.
    pub(super) fn next(&mut self, frame: &mut [u8]) -> Option<Record> {
        let mut header = [0; HEADER_LEN];
        let chunk = self.ring.read_chunk(HEADER_LEN).ok()?;
        copy_out(chunk.as_slices(), 0, &mut header);
        let record = Record::from_bytes(&header);
        let kept_len = record.kept_len as usize;
        let chunk = self.ring.read_chunk(HEADER_LEN + kept_len).ok()?;
        copy_out(chunk.as_slices(), HEADER_LEN, &mut frame[..kept_len]);
        chunk.commit_all();
        Some(record)
    }

    /// Whether the polling core has let its end go.
    pub(super) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// Fills `to` from the two slices read as one, from `skip` on.
fn copy_out((first, second): (&[u8], &[u8]), skip: usize, to: &mut [u8]) {
    let from_first = first.get(skip..).unwrap_or_default();
    let (front, back) = to.split_at_mut(from_first.len().min(to.len()));
    front.copy_from_slice(&from_first[..front.len()]);
    let skip = skip.saturating_sub(first.len());
    back.copy_from_slice(&second[skip..skip + back.len()]);
}

#[cfg(test)]
mod tests {
    use fixwire_offload::nic::{RxMeta, TxMeta};
    use proptest::prelude::*;

    use super::*;

    /// A frame in pieces.
    struct Pieces(Vec<Vec<u8>>);

    impl Frame for Pieces {
        type Held = fixwire_offload::nic::NeverHeld;

        fn segments(&self) -> usize {
            self.0.len()
        }

        fn segment(&self, index: usize) -> &[u8] {
            self.0.get(index).map_or(&[], Vec::as_slice)
        }

        fn space(&mut self) -> &mut [u8] {
            &mut []
        }

        fn finish(&mut self, _len: usize, _meta: TxMeta) {}

        fn tx_meta(&self) -> TxMeta {
            TxMeta::default()
        }
    }

    fn whole(bytes: &[u8]) -> Pieces {
        Pieces(vec![bytes.to_vec()])
    }

    fn described(_: &Pieces) -> Record {
        Record::received(&RxMeta::UNKNOWN, Some(7))
    }

    fn record(recorder: &mut Recorder, way: Way, frames: &[Pieces], taken: usize) {
        recorder.stage(way, frames, described).commit(taken);
    }

    fn read(reader: &mut Reader) -> Vec<(Record, Vec<u8>)> {
        let mut room = vec![0; SNAP_LEN];
        core::iter::from_fn(|| {
            let record = reader.next(&mut room)?;
            Some((record, room[..record.kept_len as usize].to_vec()))
        })
        .collect()
    }

    fn bytes_of(read: &[(Record, Vec<u8>)]) -> Vec<&[u8]> {
        read.iter().map(|(_, bytes)| bytes.as_slice()).collect()
    }

    fn counted(shared: &Shared, way: Way) -> (u64, u64) {
        let counted = shared.by_poller(way);
        (counted.offered.load(Ordering::Relaxed), counted.ring_full.load(Ordering::Relaxed))
    }

    #[test]
    fn a_frame_in_pieces_is_read_as_one_and_an_empty_one_is_no_end() {
        let shared = Arc::new(Shared::default());
        let (mut recorder, mut reader) = ring(0, &shared);
        let frames =
            [Pieces(vec![vec![1, 2], vec![], vec![3]]), whole(&[]), Pieces(vec![vec![4], vec![5]])];
        record(&mut recorder, Way::Received, &frames, 3);
        let read = read(&mut reader);
        assert_eq!(bytes_of(&read), [&[1, 2, 3][..], &[], &[4, 5]]);
        assert_eq!(read[0].0.original_len, 3);
        assert_eq!(read[0].0.host, Some(7));
    }

    #[test]
    fn a_burst_is_seen_when_it_is_committed_and_only_as_far() {
        let shared = Arc::new(Shared::default());
        let (mut recorder, mut reader) = ring(0, &shared);
        let frames = [whole(&[1]), whole(&[2]), whole(&[3])];
        let staged = recorder.stage(Way::Sent, &frames, described);
        assert!(reader.next(&mut [0; 8]).is_none());
        staged.commit(2);
        assert_eq!(bytes_of(&read(&mut reader)), [[1], [2]]);
        // The rest of the burst is staged again when it is tried again.
        record(&mut recorder, Way::Sent, &frames[2..], 0);
        assert!(read(&mut reader).is_empty());
        record(&mut recorder, Way::Sent, &frames[2..], 1);
        assert_eq!(bytes_of(&read(&mut reader)), [[3]]);
        assert_eq!(counted(&shared, Way::Sent), (3, 0));
    }

    #[test]
    fn a_full_ring_counts_what_it_loses_and_the_numbers_show_the_gap() {
        let shared = Arc::new(Shared::default());
        let (mut recorder, mut reader) = ring(0, &shared);
        let capacity = HEADER_LEN + SNAP_LEN;
        let long = vec![9; 20_000];
        let fitting = capacity / (HEADER_LEN + long.len());
        let frames = |count| (0..count).map(|_| whole(&long)).collect::<Vec<_>>();
        record(&mut recorder, Way::Received, &frames(fitting + 2), fitting + 2);
        record(&mut recorder, Way::Sent, &frames(4), 4);
        record(&mut recorder, Way::Received, &frames(1), 1);
        assert_eq!(counted(&shared, Way::Received), (fitting as u64 + 3, 3));
        assert_eq!(counted(&shared, Way::Sent), (4, 4));
        let numbers = |read: &[(Record, Vec<u8>)]| -> Vec<u64> {
            read.iter().map(|(record, _)| record.number).collect()
        };
        let before: Vec<u64> = (0..fitting as u64).collect();
        assert_eq!(numbers(&read(&mut reader)), before);

        record(&mut recorder, Way::Received, &[whole(&[1]), whole(&[2])], 2);
        record(&mut recorder, Way::Sent, &[whole(&[3])], 1);
        let gap = fitting as u64 + 3;
        assert_eq!(numbers(&read(&mut reader)), [gap, gap + 1, 4]);
    }

    #[test]
    fn what_a_device_does_not_take_is_not_lost_though_it_found_no_room() {
        let shared = Arc::new(Shared::default());
        let (mut recorder, mut reader) = ring(0, &shared);
        let frames = [whole(&[1; 60_000]), whole(&[2; 60_000])];
        record(&mut recorder, Way::Sent, &frames, 1);
        assert_eq!(counted(&shared, Way::Sent), (1, 0));
        read(&mut reader);
        record(&mut recorder, Way::Sent, &frames[1..], 1);
        let read = read(&mut reader);
        assert_eq!((read.len(), read[0].0.number), (1, 1));
    }

    #[test]
    fn of_a_frame_past_the_longest_the_front_is_kept() {
        let shared = Arc::new(Shared::default());
        let (mut recorder, mut reader) = ring(0, &shared);
        let pieces = Pieces(vec![vec![1; 60_000], vec![2; 60_000], vec![3; 10]]);
        record(&mut recorder, Way::Received, &[pieces], 1);
        let read = read(&mut reader);
        assert_eq!(read[0].0.original_len, 120_010);
        assert_eq!(read[0].1.len(), SNAP_LEN);
        assert_eq!(read[0].1[60_000..], vec![2; SNAP_LEN - 60_000]);
    }

    proptest! {
        /// Frames of any length, over and over around the ring's end, against a plain list.
        #[test]
        fn whatever_goes_in_comes_out_in_order(
            bursts in proptest::collection::vec(
                (proptest::collection::vec(0usize..9_000, 1..6), 0usize..6, any::<bool>()), 1..60)
        ) {
            let shared = Arc::new(Shared::default());
            let (mut recorder, mut reader) = ring(0, &shared);
            let mut expected: Vec<Vec<u8>> = Vec::new();
            let mut found: Vec<Vec<u8>> = Vec::new();
            let mut fill = 0u8;
            let mut free = HEADER_LEN + SNAP_LEN;
            for (lens, taken, drain) in bursts {
                let frames: Vec<Pieces> = lens.iter().map(|len| {
                    fill = fill.wrapping_add(1);
                    whole(&vec![fill; *len])
                }).collect();
                let taken = taken.min(frames.len());
                let mut fits = true;
                for frame in &frames[..taken] {
                    fits &= HEADER_LEN + frame.0[0].len() <= free;
                    if fits {
                        free -= HEADER_LEN + frame.0[0].len();
                        expected.push(frame.0[0].clone());
                    }
                }
                record(&mut recorder, Way::Received, &frames, taken);
                if drain {
                    found.extend(read(&mut reader).into_iter().map(|(_, bytes)| bytes));
                    free = HEADER_LEN + SNAP_LEN;
                }
            }
            found.extend(read(&mut reader).into_iter().map(|(_, bytes)| bytes));
            prop_assert_eq!(found, expected);
        }
    }
}
