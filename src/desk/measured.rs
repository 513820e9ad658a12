//! What a desk has recorded of the messages that pass it, where somebody measures.

use super::Desk;
use crate::app::{Application, SessionId};
use crate::measure::live::{MsgType, Recorder};
use crate::tcp::Stack;

impl<A: Application> Desk<A> {
    pub(crate) fn measure_by(&mut self, recorder: Option<Box<Recorder>>) {
        self.recorder = recorder;
    }

    #[inline(always)]
    pub(crate) fn recorder(&mut self) -> Option<&mut Recorder> {
        self.recorder.as_deref_mut()
    }

    /// What is read from here on was held behind a gap of bytes, or is not any more.
    pub(super) fn note_held(&mut self, is_held: bool) {
        if let Some(recorder) = &mut self.recorder {
            recorder.hold(is_held);
        }
    }

    /// Frames were handed over, all that there were or not.
    pub(crate) fn note_handed_over(&mut self, tcp: &Stack, took_all: bool) {
        let (Some(recorder), seats) = (&mut self.recorder, &self.seats) else { return };
        let type_of = |session: SessionId, msg_seq_num| {
            let seat = seats.get(usize::from(session.0));
            let kept = seat.and_then(|seat| seat.session.kept(msg_seq_num));
            kept.map_or(MsgType::UNKNOWN, |(_, message)| MsgType::of_message(message))
        };
        recorder.on_handed_over(took_all, |connection| tcp.has_all_left(connection), type_of);
    }
}
