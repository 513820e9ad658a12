//! A path that takes less than both ends do, and then more again: where a router says so, and where nobody does.

use fixwire::tcp::{Config, Count};
use fixwire::time::Duration;

use crate::common::inside::inside;
use crate::host::Host;
use crate::path::MTUS;
use crate::relay::Faults;
use crate::{Line, fast, set};

const WAY: Faults = Faults {
    loss_percent: 0,
    repeat_percent: 0,
    corrupt_percent: 0,
    mark_percent: 0,
    delay: Duration::from_us(100),
    jitter: Duration::ZERO,
    burst_frames: 0,
    seed: 1,
};
/// Between two changes: each end has learned of one before the next.
const BYTES: usize = 200_000;
/// What TCP and IP take of a packet, timestamps among it.
const HEADERS_LEN: u32 = 52;
/// RFC 1191 6.3: so long we believe in a lowered size.
const BELIEVED: Duration = Duration::from_s(601);

#[test]
fn path_that_says_what_it_takes_is_gone_by_at_both_ends_and_widens_again() {
    inside("mtu::path_that_says_what_it_takes_is_gone_by_at_both_ends_and_widens_again", || {
        let mut line = Line::open(Config::default(), WAY);
        let mut bytes = BYTES;
        line.bulk(bytes);
        for narrower in &MTUS[1..] {
            line.host.path.mtu = *narrower;
            let before = line.host.path.too_long;
            bytes += BYTES;
            line.bulk(bytes);
            let after = line.host.path.too_long;
            assert!((0..2).all(|whose| after[whose] > before[whose]), "{narrower}: {after:?}");
            let mss = line.host.stack.info(line.id).unwrap().mss;
            assert_eq!(mss + HEADERS_LEN, *narrower as u32, "{}", line.story());
            // Both know by now.
            bytes += BYTES;
            line.bulk(bytes);
            assert_eq!(line.host.path.too_long, after, "{narrower}: {}", line.story());
        }
        assert_eq!(line.count(Count::PathMtuLowered), 4, "{}", line.story());
        assert_eq!(line.count(Count::PathMtuRaised), 0, "{}", line.story());

        // The path takes more again. What was lowered is forgotten, by the kernel too.
        line.host.path.mtu = MTUS[0];
        line.host.path.longest = [0; 2];
        line.host.jump(BELIEVED);
        set("route/flush", "1");
        bytes += 2 * BYTES;
        line.bulk(bytes);
        assert_eq!(line.count(Count::PathMtuRaised), 1, "{}", line.story());
        assert_eq!(line.host.path.longest, [1500; 2], "{}", line.story());
        let told = [
            "ip.dst == 10.9.0.2 && icmp.type == 3 && icmp.code == 4 && icmp.mtu == 552",
            "ip.src == 10.9.0.2 && !icmp && ip.len == 552",
            "ip.dst == 10.9.0.2 && !icmp && ip.len == 552",
        ];
        line.close_and_find(&told, &[]);
    });
}

#[test]
fn path_that_swallows_what_is_too_long_and_says_nothing_is_found_out_by_both_ends() {
    inside(
        "mtu::path_that_swallows_what_is_too_long_and_says_nothing_is_found_out_by_both_ends",
        || {
            // RFC 4821 as the kernel does it, once its first few timeouts were for nothing.
            set("tcp_mtu_probing", "1");
            set("tcp_retries1", "2");
            let host = Host::new(fast(), WAY);
            let mut line = Line::by_route(host, "10.9.0.0/24 dev fwg0 src 10.9.0.1 rto_min 10ms");
            line.bulk(BYTES);
            line.host.path.is_black_hole = true;
            line.host.path.mtu = 1200;
            line.bulk(2 * BYTES);
            assert!(line.count(Count::PathBlackHole) > 0, "{}", line.story());
            assert_eq!(line.count(Count::PathMtuLowered), 0, "{}", line.story());
            let swallowed = line.host.path.too_long;
            assert!(swallowed.iter().all(|&count| count > 2), "{swallowed:?}");
            let mss = line.host.stack.info(line.id).unwrap().mss;
            assert!(mss + HEADERS_LEN <= 1200, "{}", line.story());
            line.bulk(3 * BYTES);
            // The kernel tries larger ones now and then, which is what its probes are; we do not.
            assert_eq!(line.host.path.too_long[0], swallowed[0], "{}", line.story());
            line.close_and_find(&["ip.dst == 10.9.0.2 && tcp.len > 500"], &["icmp"]);
        },
    );
}
