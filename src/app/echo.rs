//! The echo: sends orders, security definitions and mails back as they came. Counterparties are
//! tried against it; QuickFIX's acceptance tests expect just this of the acceptor they test.

use std::collections::VecDeque;

use arrayvec::ArrayVec;

#[cfg(feature = "hand-over")]
use super::NotTaken;
use super::order::NEW_ORDER_SINGLE;
use super::{Application, SessionId, refuse_logged_out};
#[cfg(feature = "hand-over")]
use crate::blob::Blob;
use crate::fix::decode::FIELDS_DEFAULT;
use crate::fix::tags::msg_type::BUSINESS_MESSAGE_REJECT;
use crate::fix::tags::{self, CL_ORD_ID, is_group_count};
use crate::fix::{Message, Outlet, RejectReason, SendError, Sender, Store, Version, route_back};
use crate::offload::RxStamp;

/// MsgType(35) of Email.
const EMAIL: &[u8] = b"C";
/// MsgType(35) of SecurityDefinition, which FIX has from 4.2 on.
const SECURITY_DEFINITION: &[u8] = b"d";
/// BusinessRejectReason(380): unsupported message type.
const UNSUPPORTED_MESSAGE_TYPE: &[u8] = b"3";
/// The logon after which both sides began again at 1 expects this number next.
const FIRST_AFTER_LOGON: u32 = 2;

/// The longest answer, in bytes without its header.
const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Answers of one session that wait for room, and their bytes. Past that their messages are refused.
const WAITING_MAX: usize = 256;
const WAITING_BYTES_MAX: usize = 2 * ANSWER_BYTES_MAX;
/// ClOrdIDs of one session that are remembered, and their bytes. Past that the oldest are forgotten.
const SEEN_MAX: usize = 4_096;
const SEEN_BYTES_MAX: usize = 64 * 1024;

/// Sends messages back.
///
/// NewOrderSingle, Email, and from FIX 4.2 SecurityDefinition go back with the same MsgType and the
/// same fields under a header of our own: in ascending order of their tags, as QuickFIX sends
/// them, unless a repeating group bids them stay as they came. A PossResend of an order whose
/// ClOrdID was seen since the logon is ignored. Any other type is answered by a
/// BusinessMessageReject, before FIX 4.2 by a Reject.
#[derive(Debug)]
pub struct Echo {
    partners: Vec<Partner>,
    answer: Vec<u8>,
    counters: EchoCounters,
}

/// What an echo has done, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EchoCounters {
    /// Messages sent back.
    pub echoed: u64,
    /// Messages of a type that is not sent back.
    pub unsupported: u64,
    /// Orders that were seen before and came again with PossResend.
    pub duplicates_ignored: u64,
    /// Messages whose answer found no place to wait, was too long, or would have come behind our Logout: rejected.
    pub refused: u64,
    /// ClOrdIDs forgotten for newer ones.
    pub ids_forgotten: u64,
}

/// What is kept of one session.
#[derive(Debug)]
struct Partner {
    seen: Queue,
    waiting: Queue,
}

impl Partner {
    fn new() -> Partner {
        Partner {
            seen: Queue::new(SEEN_MAX, SEEN_BYTES_MAX),
            waiting: Queue::new(WAITING_MAX, WAITING_BYTES_MAX),
        }
    }
}

impl Echo {
    /// The longest message that is sent back, in bytes: what `send_bytes_max` of its sessions is to
    /// be. A resend of it still fits TCP's longest reservation.
    pub const SEND_BYTES_MAX: usize = ANSWER_BYTES_MAX - 256;

    /// An echo for so many sessions.
    pub fn new(sessions: usize) -> Echo {
        Echo {
            partners: (0..sessions).map(|_| Partner::new()).collect(),
            answer: Vec::with_capacity(ANSWER_BYTES_MAX),
            counters: EchoCounters::default(),
        }
    }

    /// What it has done.
    pub fn counters(&self) -> &EchoCounters {
        &self.counters
    }

    /// Whether the order came before, and this is its PossResend. Remembers it otherwise.
    fn is_repetition(&mut self, session: SessionId, message: &Message<'_>) -> bool {
        let Some(id) = message.field(CL_ORD_ID) else { return false };
        let seen = &mut self.partners[usize::from(session.0)].seen;
        if message.poss_resend() && seen.contains(id) {
            return true;
        }
        self.counters.ids_forgotten += seen.push_over(id);
        false
    }

    /// Writes the answer's body: all but what is of the header. `false` if it is longer than any answer, or has more fields.
    fn write_echo(&mut self, message: &Message<'_>, is_of_header: impl Fn(u32) -> bool) -> bool {
        self.answer.clear();
        if message.poss_resend() {
            write(&mut self.answer, tags::POSS_RESEND, b"Y");
        }
        let Some(fields) = body(message, is_of_header) else { return false };
        fields.into_iter().all(|(tag, _, value)| write(&mut self.answer, tag, value))
    }

    /// Writes a BusinessMessageReject back the way the message came. FIXT's says by DefaultApplVerID which version's it is, as
    /// QuickFIX's does.
    fn write_unsupported(&mut self, message: &Message<'_>, version: Version) -> bool {
        let appl_ver_id = version.default_appl_ver_id().map(|id| id.value().as_bytes());
        self.answer.clear();
        let refusal = [
            (tags::REF_SEQ_NUM, message.field(tags::MSG_SEQ_NUM).unwrap_or(b"0")),
            (tags::TEXT, b"Unsupported Message Type"),
            (tags::REF_MSG_TYPE, message.msg_type()),
            (tags::BUSINESS_REJECT_REASON, UNSUPPORTED_MESSAGE_TYPE),
        ];
        route_back(message, version)
            .chain(refusal)
            .chain(appl_ver_id.map(|id| (tags::DEFAULT_APPL_VER_ID, id)))
            .all(|(tag, value)| write(&mut self.answer, tag, value))
    }

    /// Sends the answer, or lets it wait for room behind those that wait already: not behind our Logout, where none leaves.
    ///
    /// # Errors
    /// Why it is not sent, nor will be.
    fn send<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        msg_type: &[u8],
        orders: &mut Sender<'_, S, O>,
    ) -> Result<(), SendError> {
        let waiting = &mut self.partners[usize::from(session.0)].waiting;
        if waiting.is_empty() {
            match orders.send(msg_type, |encoder| _ = encoder.put_fields(&self.answer)) {
                Ok(_) => return Ok(()),
                Err(SendError::Full) => {}
                Err(why) => return Err(why),
            }
        } else if !orders.is_active() {
            return Err(SendError::NotLoggedOn);
        }
        if waiting.push(&[msg_type, &self.answer]) { Ok(()) } else { Err(SendError::Full) }
    }
}

impl Application for Echo {
    fn on_added(&mut self, session: SessionId) {
        let place = usize::from(session.0);
        self.partners.resize_with(self.partners.len().max(place + 1), Partner::new);
        self.partners[place] = Partner::new();
    }

    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        let partner = &mut self.partners[usize::from(session.0)];
        partner.seen.clear();
        if orders.next_in() == FIRST_AFTER_LOGON {
            // Both sides began again: what waited answers messages of another life.
            partner.waiting.clear();
        }
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        _stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        let msg_type = message.msg_type();
        let version = orders.version();
        let is_modern = version >= Version::Fix42;
        let (answer_type, is_written) = match msg_type {
            NEW_ORDER_SINGLE if self.is_repetition(session, message) => {
                self.counters.duplicates_ignored += 1;
                return;
            }
            NEW_ORDER_SINGLE | EMAIL => {
                (msg_type, self.write_echo(message, |tag| orders.is_of_header(tag)))
            }
            SECURITY_DEFINITION if is_modern => {
                (msg_type, self.write_echo(message, |tag| orders.is_of_header(tag)))
            }
            _ => {
                self.counters.unsupported += 1;
                if !is_modern {
                    let reason = RejectReason::InvalidMsgType;
                    return orders.reject_in_words(message, reason, "Unsupported message type");
                }
                (BUSINESS_MESSAGE_REJECT, self.write_unsupported(message, version))
            }
        };
        match is_written.then(|| self.send(session, answer_type, orders)) {
            Some(Ok(())) => {
                self.counters.echoed += u64::from(answer_type != BUSINESS_MESSAGE_REJECT);
            }
            Some(Err(SendError::NotLoggedOn)) => {
                self.counters.refused += 1;
                refuse_logged_out(message, orders);
            }
            _ => {
                self.counters.refused += 1;
                orders.reject(message, RejectReason::ValueIncorrect, None);
            }
        }
    }

    /// Answers that found no room are tried again, in their order.
    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        let waiting = &mut self.partners[usize::from(session.0)].waiting;
        while waiting.front(&mut self.answer) {
            let Some((msg_type, body)) = self.answer.split_first() else { return };
            let sent = orders.send(&[*msg_type], |encoder| _ = encoder.put_fields(body));
            if sent == Err(SendError::Full) {
                return;
            }
            self.counters.refused += u64::from(sent.is_err());
            waiting.pop();
        }
    }

    const WANTS_POLL: bool = true;

    /// Of each session the ClOrdIDs that it has seen, and answers that wait; what was counted.
    #[cfg(feature = "hand-over")]
    fn hand_over(&self) -> Vec<u8> {
        let counters = self.counters;
        let counts = [
            counters.echoed,
            counters.unsupported,
            counters.duplicates_ignored,
            counters.refused,
            counters.ids_forgotten,
        ];
        let strings = |queue: &Queue| queue.strings().map(Blob).collect();
        let partners = self.partners.iter();
        let partners = partners.map(|of| (strings(&of.seen), strings(&of.waiting))).collect();
        // Memory takes all of it.
        postcard::to_allocvec(&EchoState { counts, partners }).unwrap_or_default()
    }

    #[cfg(feature = "hand-over")]
    fn take_over(
        &mut self,
        state: &[u8],
        place_of: &dyn Fn(SessionId) -> Option<SessionId>,
    ) -> Result<(), NotTaken> {
        let EchoState { counts, partners } = postcard::from_bytes(state).map_err(|_| NotTaken)?;
        let [echoed, unsupported, duplicates_ignored, refused, ids_forgotten] = counts;
        self.counters =
            EchoCounters { echoed, unsupported, duplicates_ignored, refused, ids_forgotten };
        for (number, (seen, waiting)) in (0..=u16::MAX).zip(&partners) {
            let Some(SessionId(place)) = place_of(SessionId(number)) else { continue };
            let partner = self.partners.get_mut(usize::from(place)).ok_or(NotTaken)?;
            let kept = seen.iter().all(|id| partner.seen.push(&[id]))
                && waiting.iter().all(|answer| partner.waiting.push(&[answer]));
            if !kept {
                return Err(NotTaken);
            }
        }
        Ok(())
    }
}

/// All that is handed over.
#[cfg(feature = "hand-over")]
#[derive(serde::Serialize, serde::Deserialize)]
struct EchoState {
    counts: [u64; 5],
    /// What was seen, and what waits, of each session.
    partners: Vec<(Vec<Blob>, Vec<Blob>)>,
}

/// A field, where it stood, and its value.
type Field<'a> = (u32, usize, &'a [u8]);

/// The fields between header and trailer, in the order in which they go back; `None` where they are more than any answer
/// has. A field of a dictionary's own header is of it where it comes before the body.
fn body<'a>(
    message: &Message<'a>,
    is_of_header: impl Fn(u32) -> bool,
) -> Option<ArrayVec<Field<'a>, FIELDS_DEFAULT>> {
    let is_frame = |tag| matches!(tag, tags::CHECK_SUM | tags::SIGNATURE | tags::SIGNATURE_LENGTH);
    let fields = message.fields().enumerate().map(|(at, (tag, value))| (tag, at, value));
    let behind_header = fields.skip_while(|(tag, ..)| is_of_header(*tag));
    let mut own = behind_header.filter(|(tag, ..)| !tags::is_of_header(*tag) && !is_frame(*tag));
    let mut fields: ArrayVec<Field<'a>, FIELDS_DEFAULT> =
        own.by_ref().take(FIELDS_DEFAULT).collect();
    if own.next().is_some() {
        return None;
    }
    let is_grouped = fields.iter().any(|(tag, _, value)| is_group_count(*tag) && *value != b"0");
    if !is_grouped {
        fields.sort_unstable_by_key(|(tag, at, _)| (*tag, *at));
    }
    Some(fields)
}

/// Appends a field, if the answer has room for it.
fn write(answer: &mut Vec<u8>, tag: u32, value: &[u8]) -> bool {
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = tag;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let parts = [&digits[at..], b"=", value, b"\x01"];
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let has_room = answer.len() + len <= ANSWER_BYTES_MAX;
    if has_room {
        parts.into_iter().for_each(|part| answer.extend_from_slice(part));
    }
    has_room
}

/// Byte strings, first in, first out, within memory taken once.
#[derive(Debug)]
struct Queue {
    bytes: VecDeque<u8>,
    lens: VecDeque<u16>,
    bytes_max: usize,
    max: usize,
}

impl Queue {
    fn new(max: usize, bytes_max: usize) -> Queue {
        Queue {
            bytes: VecDeque::with_capacity(bytes_max),
            lens: VecDeque::with_capacity(max),
            bytes_max,
            max,
        }
    }

    fn is_empty(&self) -> bool {
        self.lens.is_empty()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.lens.clear();
    }

    /// Appends a string in pieces; `false` if it does not fit.
    fn push(&mut self, pieces: &[&[u8]]) -> bool {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let fits = self.lens.len() < self.max && self.bytes.len() + len <= self.bytes_max;
        let (true, Ok(short)) = (fits, u16::try_from(len)) else { return false };
        self.lens.push_back(short);
        pieces.iter().for_each(|piece| self.bytes.extend(*piece));
        true
    }

    /// Appends a string and gives up the oldest for it; says how many. One longer than the whole
    /// queue is not kept.
    fn push_over(&mut self, string: &[u8]) -> u64 {
        let mut given_up = 0;
        if string.len() > self.bytes_max {
            return given_up;
        }
        while !self.push(&[string]) && !self.is_empty() {
            self.pop();
            given_up += 1;
        }
        given_up
    }

    /// Copies the oldest string into `into`, instead of what is there; `false` if there is none.
    fn front(&self, into: &mut Vec<u8>) -> bool {
        into.clear();
        let Some(&len) = self.lens.front() else { return false };
        into.extend(self.bytes.range(..usize::from(len)));
        true
    }

    fn pop(&mut self) {
        let len = self.lens.pop_front().unwrap_or(0);
        self.bytes.drain(..usize::from(len));
    }

    /// Every string, the oldest first.
    #[cfg(feature = "hand-over")]
    fn strings(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let mut at = 0;
        self.lens.iter().map(move |&len| {
            let from = at;
            at += usize::from(len);
            self.bytes.range(from..at).copied().collect()
        })
    }

    fn contains(&self, string: &[u8]) -> bool {
        let mut at = 0;
        self.lens.iter().any(|&len| {
            let range = at..at + usize::from(len);
            at = range.end;
            range.len() == string.len() && self.bytes.range(range).eq(string)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::oracle::sealed;
    use crate::fix::{ApplVerId, Decoder};

    fn echoed(body: &str) -> String {
        let bytes = sealed("FIX.4.4", body);
        let mut decoder = Decoder::default();
        let mut echo = Echo::new(1);
        let is_of_header = |tag| tags::is_of_header(tag) || tag == 9_700;
        assert!(echo.write_echo(&decoder.parse(&bytes).unwrap(), is_of_header), "{body}");
        String::from_utf8_lossy(&echo.answer).replace('\x01', "|")
    }

    #[test]
    fn a_body_goes_back_in_ascending_order_unless_a_group_bids_it_stay() {
        let head = "35=D|34=2|49=A|56=B|52=20260102-03:04:05|";
        for (body, expected) in [
            ("40=1|55=X|11=id|", "11=id|40=1|55=X|"),
            ("97=Y|40=1|11=id|", "97=Y|11=id|40=1|"),
            ("55=X|454=0|22=8|", "22=8|55=X|454=0|"),
            ("146=1|55=X|54=1|11=id|", "146=1|55=X|54=1|11=id|"),
            ("95=3|96=a|b|11=id|", "11=id|95=3|96=a|b|"),
            ("60=1|9999=z|5000=y|5000=x|", "60=1|5000=y|5000=x|9999=z|"),
            // What is of the header is not, nor does its group keep the body as it came.
            ("370=20260102-03:04:05|55=X|11=id|", "11=id|55=X|"),
            ("627=1|628=HUB|630=7|55=X|11=id|", "11=id|55=X|"),
            ("9700=v|55=X|11=id|", "11=id|55=X|"),
            ("55=X|9700=v|11=id|", "11=id|55=X|9700=v|"),
            ("", ""),
        ] {
            assert_eq!(echoed(&format!("{head}{body}")), expected);
        }
    }

    #[test]
    fn what_is_not_sent_back_is_refused_in_the_terms_of_the_version() {
        let bytes = sealed("FIXT.1.1", "35=8|34=2|49=A|56=B|");
        let mut decoder = Decoder::default();
        let mut echo = Echo::new(1);
        for (version, expected) in [
            (Version::Fix42, "45=2|58=Unsupported Message Type|372=8|380=3|"),
            (
                Version::Fixt11(ApplVerId::Fix50Sp1),
                "45=2|58=Unsupported Message Type|372=8|380=3|1137=8|",
            ),
        ] {
            assert!(echo.write_unsupported(&decoder.parse(&bytes).unwrap(), version));
            assert_eq!(String::from_utf8_lossy(&echo.answer).replace('\x01', "|"), expected);
        }
    }

    #[test]
    fn what_is_not_sent_back_is_refused_back_the_way_it_came() {
        let route = "115=JCD|116=CS|128=HUB|144=CHI|";
        let bytes = sealed("FIX.4.4", &format!("35=8|34=2|49=A|56=B|{route}"));
        let mut decoder = Decoder::default();
        let mut echo = Echo::new(1);
        assert!(echo.write_unsupported(&decoder.parse(&bytes).unwrap(), Version::Fix44));
        let expected =
            "128=JCD|129=CS|115=HUB|145=CHI|45=2|58=Unsupported Message Type|372=8|380=3|";
        assert_eq!(String::from_utf8_lossy(&echo.answer).replace('\x01', "|"), expected);
    }

    #[test]
    fn the_longest_body_that_is_received_is_longer_than_none_that_is_written() {
        let long = format!("35=D|34=2|49=A|56=B|58={}|", "x".repeat(ANSWER_BYTES_MAX));
        let bytes = sealed("FIX.4.4", &long);
        let mut decoder = Decoder::default();
        let mut echo = Echo::new(1);
        let capacity = echo.answer.capacity();
        assert!(!echo.write_echo(&decoder.parse(&bytes).unwrap(), tags::is_of_header));
        assert_eq!(echo.answer.capacity(), capacity, "nothing was allocated for it");
    }

    #[test]
    fn more_fields_than_an_answer_has_are_not_sent_back_in_part() {
        for (fields, is_sent_back) in [(FIELDS_DEFAULT, true), (FIELDS_DEFAULT + 1, false)] {
            let bytes =
                sealed("FIX.4.4", &format!("35=D|34=2|49=A|56=B|{}", "1=x|".repeat(fields)));
            let mut decoder = Decoder::with_fields(1_000);
            let mut echo = Echo::new(1);
            let message = decoder.parse(&bytes).unwrap();
            assert_eq!(echo.write_echo(&message, tags::is_of_header), is_sent_back, "{fields}");
        }
    }

    #[test]
    fn a_queue_is_bounded_both_ways_and_finds_whole_strings_only() {
        let mut queue = Queue::new(3, 10);
        let (bytes, lens) = (queue.bytes.capacity(), queue.lens.capacity());
        assert!(queue.push(&[b"ab", b"c"]) && queue.push(&[b"de"]) && queue.push(&[b""]));
        assert!(!queue.push(&[b""]), "a fourth");
        for (string, found) in
            [("abc", true), ("de", true), ("", true), ("bc", false), ("abcd", false)]
        {
            assert_eq!(queue.contains(string.as_bytes()), found, "{string:?}");
        }
        assert_eq!(queue.push_over(b"12345678901"), 0, "longer than the queue");
        assert!(queue.contains(b"abc"));
        assert_eq!(queue.push_over(b"123456789"), 2, "abc for the number, de for the bytes");
        let mut front = Vec::new();
        assert!(queue.front(&mut front) && front.is_empty());
        for round in 0..100u32 {
            queue.push_over(&round.to_le_bytes());
        }
        assert!(queue.contains(&99u32.to_le_bytes()) && !queue.contains(&9u32.to_le_bytes()));
        assert_eq!((queue.bytes.capacity(), queue.lens.capacity()), (bytes, lens));
    }
}
