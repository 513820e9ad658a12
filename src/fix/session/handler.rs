//! The application's side of a session: what it is told, and the means to send.

use crate::fix::encode::Encoder;
use crate::fix::message::Message;
use crate::fix::reason::{CloseReason, RejectReason};
use crate::fix::store::Store;
use crate::fix::tags;
use crate::time::Now;

use super::{Core, NotResent, Outlet, SendError, State, Version};

/// The application's side of a session. Nothing here may block.
pub trait Handler {
    /// The session is established.
    fn on_logon<S: Store, O: Outlet>(&mut self, reply: &mut Sender<'_, S, O>) {
        let _ = reply;
    }

    /// The session has ended.
    fn on_logout(&mut self, reason: CloseReason) {
        let _ = reason;
    }

    /// An application message, in its order.
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        reply: &mut Sender<'_, S, O>,
    );

    /// Whether a message may be sent again as it was. A veto makes it part of a gap fill. It is asked anew with each request, and
    /// may be asked more than once for one: where a gap fill goes first, or there is no room yet. The last answer counts.
    fn may_resend(&mut self, seq: u32, message: &Message<'_>) -> bool {
        let _ = (seq, message);
        true
    }

    /// A message that was kept, and that the counterparty asks for, is not sent again: a gap is filled in its place.
    fn on_not_resent(&mut self, seq: u32, why: NotResent) {
        let _ = (seq, why);
    }

    /// So many messages had come past a gap, and the counterparty has filled the gap over them: they are not delivered.
    fn on_filled_over(&mut self, messages: usize) {
        let _ = messages;
    }
}

/// Sends application messages from within a [`Handler`].
#[derive(Debug)]
pub struct Sender<'a, S: Store, O: Outlet> {
    pub(super) core: &'a mut Core<S>,
    pub(super) now: Now,
    pub(super) out: &'a mut O,
}

impl<S: Store, O: Outlet> Sender<'_, S, O> {
    /// Sends an application message, as [`Session::send`](super::Session::send) does.
    ///
    /// # Errors
    /// [`SendError`]; no number is consumed.
    #[inline]
    pub fn send(
        &mut self,
        msg_type: &[u8],
        fill: impl FnOnce(&mut Encoder<'_>),
    ) -> Result<u32, SendError> {
        self.core.send(self.now, self.out, msg_type, fill)
    }

    /// Refuses a message that breaks the rules of its type by a Reject. `tag` is the field at fault.
    pub fn reject(&mut self, message: &Message<'_>, reason: RejectReason, tag: Option<u32>) {
        self.core.reject_tag(self.now, message, reason, tag, self.out);
    }

    /// As [`reject`](Sender::reject), with a Text(58) of our own: 1 to 256 bytes, or it is the reason's.
    pub fn reject_in_words(&mut self, message: &Message<'_>, reason: RejectReason, text: &str) {
        let is_usable = (1..=256).contains(&text.len()) && !text.contains('\x01');
        let text = if is_usable { text } else { reason.doc() };
        self.core.reject_in_words(self.now, message, (reason, text), b"", self.out);
    }

    /// The version that the session speaks.
    pub fn version(&self) -> Version {
        self.core.config.version
    }

    /// Whether what is sent now may leave: the session is established, and no Logout is on its way. Otherwise
    /// [`send`](Sender::send) refuses by [`SendError::NotLoggedOn`].
    pub fn is_active(&self) -> bool {
        self.core.state == State::Active
    }

    /// Whether a field that comes before all of the body is of the header: the standard's, or what the session's dictionary
    /// has in it besides.
    pub fn is_of_header(&self, tag: u32) -> bool {
        let validation = self.core.config.validation.as_ref();
        tags::is_of_header(tag) || validation.is_some_and(|of| of.has_header_field(tag))
    }

    /// Logs out, and waits for the answer.
    pub fn logout(&mut self, text: &str) {
        if self.core.state == State::Active {
            self.core.start_logout(self.now, self.out, text.as_bytes());
        }
    }

    /// The present.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The number of the next message to send.
    pub(crate) fn next_out(&self) -> u32 {
        self.core.store.next_out()
    }

    /// Whether the message at hand had been held behind one that was missing.
    pub(crate) fn was_held(&self) -> bool {
        self.core.was_held
    }

    /// The number expected of the next message to arrive. Within `on_logon`, 2 says that both sides
    /// began again at 1: what was not answered never will be.
    pub fn next_in(&self) -> u32 {
        self.core.store.next_in()
    }
}
