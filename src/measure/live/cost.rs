//! What measuring itself costs.

use super::record::{HandedOver, MessageRecord, MsgType, OrderRecord, Record};
use super::recorder::{Reading, recorder};
use crate::app::SessionId;
use crate::measure::wire_time::WireSpan;
use crate::stamps::host_stamp;
use crate::time::Instant;

/// Points of a message that is answered: polled, application, frame ready, doorbell.
const POINTS: u32 = 4;
/// Readings, and records, that are timed together.
const BATCH: u32 = 1_000;
const BATCHES: u32 = 64;

/// What measuring costs on this host, timed before it begins: of many batches the median.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Readings that were timed, and as many records.
    pub timed: u32,
    /// One reading of the counter.
    pub reading: WireSpan,
    /// One record of a message, written to the ring.
    pub record: WireSpan,
}

impl Cost {
    /// Times readings by `read`, of a counter of so many ticks a second, and records. Takes some milliseconds; not on the
    /// packet's path.
    pub fn timed(read: &Reading, ticks_per_s: u64) -> Cost {
        let mut readings = Vec::with_capacity(BATCHES as usize);
        let mut records = Vec::with_capacity(BATCHES as usize);
        let mut sum = 0_u64;
        for _ in 0..BATCHES {
            let begun = read();
            for _ in 0..BATCH - 1 {
                sum = sum.wrapping_add(read());
            }
            readings.push(read().saturating_sub(begun));
        }
        core::hint::black_box(sum);
        let (mut recorder, mut reader, _) = recorder(Box::new(|| 0), 2 * BATCH as usize);
        let stamp = host_stamp(Instant::ZERO);
        for batch in 0..BATCHES {
            let begun = read();
            for number in 0..BATCH {
                let handed_over = Ok(HandedOver { ready: sum, doorbell: begun });
                let msg_type = MsgType::UNKNOWN;
                let order = Some(OrderRecord { msg_type, msg_seq_num: number, handed_over });
                recorder.unanswered(core::hint::black_box(MessageRecord {
                    session: SessionId(batch as u16),
                    msg_type,
                    first: stamp,
                    first_polled: begun,
                    last: stamp,
                    was_held: false,
                    polled: begun,
                    entered: begun,
                    order,
                }));
            }
            records.push(read().saturating_sub(begun));
            while reader.pop().is_ok_and(|record| matches!(record, Record::Message(_))) {}
        }
        let each = |batches: &mut Vec<u64>| {
            batches.sort_unstable();
            let ticks = batches.get(batches.len() / 2).copied().unwrap_or_default();
            // A batch is a thousand: its ticks are milliticks of one.
            WireSpan::from_ticks(ticks, ticks_per_s.saturating_mul(BATCH.into()))
        };
        Cost { timed: BATCH * BATCHES, reading: each(&mut readings), record: each(&mut records) }
    }

    /// Of one point: its reading, and its share of the record.
    pub fn point_ps(&self) -> u64 {
        let share = self.record.as_ps() / i128::from(POINTS);
        u64::try_from(self.reading.as_ps() + share).unwrap_or(u64::MAX)
    }

    /// Of a message that is answered.
    pub fn message_ps(&self) -> u64 {
        let readings = self.reading.as_ps() * i128::from(POINTS);
        u64::try_from(readings + self.record.as_ps()).unwrap_or(u64::MAX)
    }
}
