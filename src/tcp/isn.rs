//! Numbers that nobody outside can guess: initial sequence numbers (RFC 6528), timestamp offsets
//! (RFC 7323 5.4) and ephemeral ports (RFC 6056 3.3.3).

use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::endpoint::{Endpoint, Tuple};
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// What one step of the initial sequence number's clock takes (RFC 9293 3.4.1).
const ISN_TICK_NS: u64 = 4_000;

/// A secret, and the numbers made with it.
pub(super) struct Secret([u8; 16]);

/// What a number is for: the same endpoints get unrelated numbers for each.
#[derive(Clone, Copy)]
enum Purpose {
    Isn = 1,
    TimestampOffset = 2,
    Port = 3,
    TableKey = 4,
    Cookie = 5,
}

impl Secret {
    pub(super) fn new(bytes: [u8; 16]) -> Secret {
        Secret(bytes)
    }

    /// RFC 6528 3: ISN = M + F(endpoints, secret), M the 4 us clock.
    pub(super) fn isn(&self, now: Instant, tuple: &Tuple) -> SeqNumber {
        let clock = (now.as_ns() / ISN_TICK_NS) as u32;
        SeqNumber(clock) + self.hash(Purpose::Isn, tuple.addrs(), u64::from(tuple.ports())) as u32
    }

    /// What is added to the clock in a connection's timestamps. The same for every connection
    /// between the same endpoints, so that their timestamps go on rising (RFC 6191).
    pub(super) fn timestamp_offset(&self, tuple: &Tuple) -> u32 {
        self.hash(Purpose::TimestampOffset, tuple.addrs(), u64::from(tuple.ports())) as u32
    }

    /// Where in the range of ephemeral ports the search for `remote` begins.
    pub(super) fn port_offset(&self, local: Endpoint, remote: Endpoint) -> u64 {
        let tuple = Tuple { local: Endpoint { port: 0, ..local }, remote };
        self.hash(Purpose::Port, tuple.addrs(), u64::from(tuple.ports()))
    }

    /// What the number of a SYN-ACK that nothing else is kept of is made of; `key` makes another secret of this one.
    pub(super) fn cookie(&self, tuple: &Tuple, irs: u32, key: u64, period: u64, kept: u32) -> u64 {
        let ends = self.hash(
            Purpose::Cookie,
            tuple.addrs(),
            u64::from(tuple.ports()) | u64::from(irs) << 32,
        );
        self.hash(Purpose::Cookie, ends.wrapping_add(key), period << 16 | u64::from(kept))
    }

    pub(super) fn table_keys(&self) -> [u64; 3] {
        [0, 1, 2].map(|position| self.hash(Purpose::TableKey, position, 0))
    }

    fn hash(&self, purpose: Purpose, first: u64, second: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u64(first);
        hasher.write_u64(second);
        hasher.write_u8(purpose as u8);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn tuple(remote_port: u16) -> Tuple {
        Tuple {
            local: Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 9878 },
            remote: Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: remote_port },
        }
    }

    #[test]
    fn isn_rises_by_one_every_4_us_for_the_same_endpoints() {
        let secret = Secret::new([7; 16]);
        let first = secret.isn(Instant::from_ms(5), &tuple(50_000));
        let later = secret.isn(Instant::from_ms(1005), &tuple(50_000));
        assert_eq!(later.since(first), 250_000);
    }

    #[test]
    fn isn_differs_by_endpoint_and_by_secret_and_from_the_timestamp_offset() {
        let now = Instant::from_ms(5);
        let secret = Secret::new([7; 16]);
        let isn = secret.isn(now, &tuple(50_000));
        assert_ne!(isn, secret.isn(now, &tuple(50_001)));
        assert_ne!(isn, Secret::new([8; 16]).isn(now, &tuple(50_000)));
        assert_ne!(isn.0 - 1250, secret.timestamp_offset(&tuple(50_000)));
    }
}
