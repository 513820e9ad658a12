//! Step 9's time: when did each message leave?
//!
//! Of each segment with data that is handed over, the messages that end in it are told of: by the device's stamp, where
//! the plan has it tell and it does so in time, or else by the host's clock, read as the frame was handed over. The
//! first sending of a message is told apart from later ones. Nothing of it happens unless the profile asks for it.
//!
//! A frame is read once more for that before it is handed over, and what is in it is looked up afterwards.

use std::collections::VecDeque;

use arrayvec::ArrayVec;

use crate::app::{Application, SessionId};
use crate::engine::Engine;
use crate::offload::RxStamp;
use crate::offload::capability::Capability;
use crate::offload::nic::{BURST_MAX, Frame, Nic, TX_REPORTS_MAX, TxReports};
use crate::offload::observe::Observations;
use crate::offload::plan::Plan;
use crate::offload::profile::Policy;
use crate::offload::stamp::ClockInfo;
use crate::stamps::Stamps;
use crate::tcp::{ConnectionId, MessageNumber, Stack};
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;
use segment::Segment;
use table::{Settled, Table, Told};

mod segment;
mod table;

/// What is told and not asked for; of more the last is kept.
const TOLD_MAX: usize = 4_096;
/// How often a round asks the device for as many reports as one call gives.
const DRAINS_A_ROUND: usize = 4;

/// Whose clock a sending was stamped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StampSource {
    /// The device's, as the frame left.
    Device,
    /// The host's, as the frame was handed over to the device.
    Software,
}

/// A message that left: all that is told of one sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentStamp {
    /// Whose message it is; `None` on a connection without a session.
    pub session: Option<SessionId>,
    /// The connection that it left on.
    pub connection: ConnectionId,
    /// The message's number on that connection.
    pub message: MessageNumber,
    /// Its MsgSeqNum(34), or 0 of one that was committed without, as some of a session's own are.
    pub msg_seq_num: u32,
    /// Its end left before: this is a retransmission.
    pub is_again: bool,
    /// When the frame with its last byte left. It compares with a stamp of reception by the same clock.
    pub stamp: RxStamp,
    /// By whose clock.
    pub source: StampSource,
    /// When that frame was handed over, by the host's clock: of a prepared send, and of a burst that was full before its
    /// round was over, the time that the round or the caller had read before.
    pub handed_over_at: Instant,
}

/// What has come across, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentStampCounters {
    /// Messages told of by the device's stamp, each sending by itself.
    pub tx_stamp_by_device: u64,
    /// And by the host's clock.
    pub tx_stamp_by_software: u64,
    /// Frames of which the device was asked to tell, and did not in time: the host's clock stands in.
    pub tx_stamp_missing: u64,
    /// Reports that put one frame after another that was handed over behind it.
    pub tx_stamp_backwards: u64,
    /// Reports under a name that no frame bears.
    pub tx_stamp_unknown: u64,
    /// Reports that came too late, or once more.
    pub tx_stamp_stale: u64,
    /// Frames that found no place for what is to be reported: the host's clock stands in.
    pub tx_stamp_table_full: u64,
    /// Segments whose connection was over when they were handed over: nothing is told.
    pub tx_stamp_unowned: u64,
    /// What was told and not asked for until it was overwritten.
    pub tx_stamp_overwritten: u64,
}

impl SentStampCounters {
    const NOTHING: SentStampCounters = SentStampCounters {
        tx_stamp_by_device: 0,
        tx_stamp_by_software: 0,
        tx_stamp_missing: 0,
        tx_stamp_backwards: 0,
        tx_stamp_unknown: 0,
        tx_stamp_stale: 0,
        tx_stamp_table_full: 0,
        tx_stamp_unowned: 0,
        tx_stamp_overwritten: 0,
    };

    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("tx_stamp_by_device", self.tx_stamp_by_device),
            ("tx_stamp_by_software", self.tx_stamp_by_software),
            ("tx_stamp_missing", self.tx_stamp_missing),
            ("tx_stamp_backwards", self.tx_stamp_backwards),
            ("tx_stamp_unknown", self.tx_stamp_unknown),
            ("tx_stamp_stale", self.tx_stamp_stale),
            ("tx_stamp_table_full", self.tx_stamp_table_full),
            ("tx_stamp_unowned", self.tx_stamp_unowned),
            ("tx_stamp_overwritten", self.tx_stamp_overwritten),
        ]
        .into_iter()
    }
}

/// Of each connection, how far its stream has left once at least.
type Edge = (ConnectionId, SeqNumber);

/// Who tells of what is sent.
pub(crate) struct SentStamps {
    table: Table,
    /// The first frames of the transmit burst: those that were looked at.
    noted: ArrayVec<Option<(u32, Segment)>, BURST_MAX>,
    edges: Box<[Edge]>,
    told: VecDeque<SentStamp>,
    /// How many sendings were told of ever.
    told_ever: u64,
    judge: Stamps,
    reports: TxReports,
    counters: SentStampCounters,
}

impl SentStamps {
    /// One for a device that runs by `plan`, where the profile asks for it.
    pub(crate) fn new(
        plan: &Plan,
        clock: Option<ClockInfo>,
        connections_max: usize,
    ) -> Option<Box<SentStamps>> {
        if plan.row(Capability::TxTimestamp).policy == Policy::Off {
            return None;
        }
        let edge = (ConnectionId::NOBODY, SeqNumber(0));
        Some(Box::new(SentStamps {
            table: Table::new(),
            noted: ArrayVec::new(),
            edges: vec![edge; connections_max].into_boxed_slice(),
            told: VecDeque::with_capacity(TOLD_MAX),
            told_ever: 0,
            judge: Stamps::of_sent(plan, clock),
            reports: TxReports::new(),
            counters: SentStampCounters::default(),
        }))
    }

    pub(crate) fn next(&mut self) -> Option<SentStamp> {
        self.told.pop_front()
    }

    /// How many sendings were told of ever, and the last of them that nobody has asked for, the oldest first.
    pub(crate) fn told(
        &self,
    ) -> (u64, impl DoubleEndedIterator<Item = &SentStamp> + ExactSizeIterator) {
        (self.told_ever, self.told.iter())
    }

    /// How its stamps are judged.
    pub(crate) fn judge_mut(&mut self) -> &mut Stamps {
        &mut self.judge
    }

    /// Looks at the frames that were added to the transmit burst, and asks the device to tell of those that may bear
    /// messages.
    fn note<F: Frame>(&mut self, frames: &mut [F]) {
        for frame in frames.iter_mut().skip(self.noted.len()) {
            let segment = Segment::of(frame.bytes());
            let noted = segment.map(|segment| {
                let token = if self.judge.is_by_device() { self.table.open() } else { Some(0) };
                self.counters.tx_stamp_table_full += u64::from(token.is_none());
                let token = token.unwrap_or(0);
                if token != 0 {
                    frame.ask_stamp(token);
                }
                (token, segment)
            });
            self.noted.push(noted);
        }
    }

    /// The first `count` of the frames that were noted were handed over.
    fn on_handed_over(
        &mut self,
        count: usize,
        at: Instant,
        tcp: &Stack,
        session: impl Fn(ConnectionId) -> Option<SessionId>,
    ) {
        let count = count.min(self.noted.len());
        let left: ArrayVec<_, BURST_MAX> = self.noted.drain(..count).collect();
        for noted in left {
            let Some((token, segment)) = noted else { continue };
            let Some(connection) = tcp.connection_between(segment.local, segment.remote) else {
                self.counters.tx_stamp_unowned += 1;
                self.table.close(token);
                continue;
            };
            let before = self.pass(connection, &segment, tcp);
            let session = session(connection);
            let ending = tcp.messages_ending_in(connection, segment.seq, segment.len);
            let told = ending.map(|(message, msg_seq_num, end)| {
                let is_again = end.is_at_or_before(before);
                Told { session, connection, message, msg_seq_num, is_again }
            });
            if token != 0 {
                match self.table.wait(token, at, told.clone()) {
                    Ok(()) => continue,
                    Err(table::Full) => self.counters.tx_stamp_table_full += 1,
                }
            }
            for told in told {
                self.tell_by_software(told, at);
            }
        }
    }

    /// A segment leaves: how far the stream had left before.
    fn pass(&mut self, connection: ConnectionId, segment: &Segment, tcp: &Stack) -> SeqNumber {
        let end = segment.seq + segment.len;
        let Some((known, edge)) = self.edges.get_mut(connection.index()) else { return end };
        if *known != connection {
            // The first that is seen of it: it may have been moved here.
            let is_again = tcp.is_sent_again(connection, segment.seq, segment.len);
            (*known, *edge) = (connection, if is_again { end } else { segment.seq });
        }
        let before = *edge;
        *edge = before.later_of(end);
        before
    }

    fn tell_by_software(&mut self, told: Told, at: Instant) {
        self.counters.tx_stamp_by_software += 1;
        self.tell(told, at, crate::stamps::host_stamp(at), StampSource::Software);
    }

    fn tell(&mut self, told: Told, at: Instant, stamp: RxStamp, source: StampSource) {
        if self.told.len() == TOLD_MAX {
            self.told.pop_front();
            self.counters.tx_stamp_overwritten += 1;
        }
        self.told_ever += 1;
        let Told { session, connection, message, msg_seq_num, is_again } = told;
        self.told.push_back(SentStamp {
            session,
            connection,
            message,
            msg_seq_num,
            is_again,
            stamp,
            source,
            handed_over_at: at,
        });
    }

    /// Takes in what the device tells of frames that left, and gives up waiting for what is overdue.
    fn drain<N: Nic>(&mut self, now: Instant, nic: &mut N, observations: &mut Observations) {
        let mut reports = core::mem::take(&mut self.reports);
        for _ in 0..DRAINS_A_ROUND {
            if !self.judge.is_by_device() || nic.tx_reports(&mut reports) == 0 {
                break;
            }
            let is_full = reports.len() == TX_REPORTS_MAX;
            for report in reports.drain(..) {
                self.on_report(report.token, report.stamp, observations);
            }
            if !is_full {
                break;
            }
        }
        reports.clear();
        self.reports = reports;
        while let Some((at, messages)) = self.table.next_overdue(now) {
            self.counters.tx_stamp_missing += 1;
            self.settle(at, messages, None);
            self.judge.miss(observations);
        }
        if !self.judge.is_by_device() {
            self.settle_all();
        }
    }

    fn on_report(&mut self, token: u32, stamp: RxStamp, observations: &mut Observations) {
        match self.table.settle(token) {
            Settled::Now { at, messages, is_newest } => {
                let was_believed = self.judge.is_by_device();
                let stamp = self.judge.sent(at, stamp, is_newest, observations);
                let went_back = was_believed && !self.judge.is_by_device();
                self.counters.tx_stamp_backwards += u64::from(went_back);
                self.settle(at, messages, stamp);
            }
            Settled::Stale => self.counters.tx_stamp_stale += 1,
            Settled::Unknown => self.counters.tx_stamp_unknown += 1,
        }
    }

    /// Tells of a frame's messages: by the device's stamp, where there is one that is believed.
    fn settle(&mut self, at: Instant, messages: table::Messages, stamp: Option<RxStamp>) {
        for place in messages {
            let told = self.table.message(place);
            match stamp {
                Some(stamp) => {
                    self.counters.tx_stamp_by_device += 1;
                    self.tell(told, at, stamp, StampSource::Device);
                }
                None => self.tell_by_software(told, at),
            }
        }
    }

    /// The device is not believed any more: nothing is waited for.
    fn settle_all(&mut self) {
        while let Some((at, messages)) = self.table.next_waiting() {
            self.settle(at, messages, None);
        }
    }
}

impl<N: Nic, A: Application> Engine<N, A> {
    /// The oldest sending that nobody has asked for, of a message of any session's: first ones and later ones, by whose
    /// clock each was stamped. Where the profile has `tx_timestamp` off, none. As many as 4,096 are kept; of more the last.
    ///
    /// A sending is told of when the device has reported it, or 100 ms have passed without: of two that waited for that,
    /// in no certain order.
    pub fn next_sent_stamp(&mut self) -> Option<SentStamp> {
        self.sent.as_mut()?.next()
    }

    /// What has come across; nothing where sendings are not stamped.
    pub(crate) fn sent_stamp_counters(&self) -> &SentStampCounters {
        static NOTHING: SentStampCounters = SentStampCounters::NOTHING;
        self.sent.as_ref().map_or(&NOTHING, |sent| &sent.counters)
    }

    /// Hands the transmit burst over, and notes what leaves.
    #[cold]
    #[inline(never)]
    pub(crate) fn flush_stamped(&mut self, doorbell: impl FnOnce() -> Instant) {
        let Some(mut sent) = self.sent.take() else { return };
        sent.note(&mut self.outbound);
        let at = doorbell();
        let count = self.hand_over();
        let desk = &self.desk;
        sent.on_handed_over(count, at, &self.tcp, |connection| desk.session_of(connection));
        self.sent = Some(sent);
    }

    /// Takes in what the device tells of frames that left.
    #[cold]
    #[inline(never)]
    pub(crate) fn drain_sent(&mut self, now: Instant) {
        if let Some(sent) = &mut self.sent {
            sent.drain(now, &mut self.nic, &mut self.observations);
            self.record_sendings();
        }
    }
}
