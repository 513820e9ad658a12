//! Numbers kept from long ago: two gigabytes on they would seem to lie ahead, and hold back what they no longer
//! have a say in (RFC 9293 3.4: comparisons are good within 2^31).

use super::connection::Connection;
use crate::wire::tcp::SeqNumber;

/// How often what is kept is looked at, as a shift: each time `snd_una` has gone on by so many bytes.
const ROUND_SHIFT: u32 = 30;
/// How far behind a number means nothing but "before".
const BEHIND: u32 = 1 << 29;

/// Whether `ack` has taken `una` into another round.
#[inline(always)]
pub(super) fn is_another_round(una: SeqNumber, ack: SeqNumber) -> bool {
    (una.0 ^ ack.0) >> ROUND_SHIFT != 0
}

impl Connection {
    /// Brings numbers that lie far behind so near that they still do when the next round begins.
    #[cold]
    pub(super) fn bring_numbers_forward(&mut self) {
        let floor = self.snd_una - BEHIND;
        self.ecn.bring_forward(floor);
        self.congestion.bring_forward(floor);
        self.rack.bring_forward(floor);
        self.apart.second_looks.bring_forward(floor);
        self.account.forget_acknowledged(self.snd_una);
        if self.apart.undo.as_ref().is_some_and(|undo| undo.is_before(floor)) {
            self.apart.undo = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::Committed;
    use super::super::config::Config;
    use super::super::counters::Counters;
    use super::*;
    use crate::time::Instant;

    #[test]
    fn loss_is_believed_however_many_gigabytes_after_the_last() {
        for gigabytes in 0..9u32 {
            let mut connection = Connection::new(&Config::default());
            let begin = connection.snd_una;
            let recover = begin + 5000;
            assert!(connection.congestion.on_duplicate_ack(3, begin + 1, 5000, recover, false));
            connection.congestion.on_ack(recover, 5000, 5000, Instant::ZERO, None);
            connection.snd_nxt = recover;
            for _ in 0..gigabytes * 8 {
                connection.advance(connection.snd_una + (1 << 27));
            }
            connection.advance(connection.snd_una + 10_000);
            let una = connection.snd_una;
            let is_loss = connection.congestion.on_duplicate_ack(3, una, 5000, una + 5000, false);
            assert!(is_loss, "after {gigabytes} GiB");
        }
    }

    #[test]
    fn mark_is_answered_however_many_gigabytes_after_the_last() {
        for gigabytes in 0..9u32 {
            let mut connection = Connection::new(&Config::default());
            connection.ecn.establish(connection.snd_una, false);
            for _ in 0..gigabytes * 8 {
                connection.advance(connection.snd_una + (1 << 27));
            }
            assert!(connection.ecn.is_news(connection.snd_una + 1), "after {gigabytes} GiB");
        }
    }

    #[test]
    fn messages_are_known_one_by_one_however_many_gigabytes_of_them_were_acknowledged() {
        const LEN: u32 = 1_500_000;
        // So much buffer that each message has a place of its own.
        let config = Config { send_buffer_bytes: 1 << 20, ..Config::default() };
        let mut connection = Connection::new(&config);
        let mut counters = Counters::default();
        let mut end = connection.snd_una;
        // Six gigabytes, and always two messages that are not acknowledged.
        for number in 1..=4_000 {
            let message = Committed::new(Instant::from_ms(number), end + LEN, 0);
            connection.account.note(connection.snd_una, end, message, &mut counters);
            end += LEN;
            if number > 2 {
                connection.advance(connection.snd_una + LEN);
            }
            let (una, account) = (connection.snd_una, &connection.account);
            let acknowledged = number.saturating_sub(2);
            assert_eq!((account.committed(), account.acknowledged(una)), (number, acknowledged));
            let oldest = account.oldest(una).map(|oldest| oldest.at);
            assert_eq!(oldest, Some(Instant::from_ms(acknowledged + 1)));
            assert!(account.is_sound(una, end), "it can be moved");
        }
    }
}
