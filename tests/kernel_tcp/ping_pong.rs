//! FIX orders there and back, one at a time, between our TCP and the kernel's: 50 us each way and 1 % loss. Bytes and counts
//! are held to; times are shown, for they are the machine's as much as TCP's.
//!
//! Whoever looks at the times has to know whether the machine let us run. It is asked all the while: how long the loop that
//! polls stood still, and what orders took in which it did not.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant as StdInstant;

use fixwire::tcp::{Config, Count};
use fixwire::time::Duration;

use crate::common::full;
use crate::common::inside::inside;
use crate::host::Host;
use crate::relay::Faults;
use crate::{Line, fast};

const WAY: Faults = Faults {
    loss_percent: 0,
    repeat_percent: 0,
    corrupt_percent: 0,
    mark_percent: 0,
    delay: Duration::from_us(50),
    jitter: Duration::ZERO,
    burst_frames: 0,
    seed: 3,
};
const LOSSY: Faults = Faults { loss_percent: 1, ..WAY };
/// A round trip: a loop that stands still for so long is seen in what orders take.
const STILL: Duration = Duration::from_us(100);
/// Half the patience of a session that does not repair fast: a loop that stands still for longer may be why something
/// went twice.
const LONG: Duration = Duration::from_ms(25);

/// A NewOrderSingle of some 150 bytes.
fn order(number: u32) -> Vec<u8> {
    let body = format!(
        "35=D|49=FIXWIRE|56=VENUE|34={number}|52=20261126-12:00:00.000|11={number:08}|55=MSFT|54=1|38=100|40=2|44=123.45|59=0|"
    );
    let mut order = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
    let sum = order.bytes().fold(0_u8, u8::wrapping_add);
    order += &format!("10={sum:03}\x01");
    order.into_bytes()
}

/// What orders took, and when the loop stood still.
#[derive(Default)]
struct Trips {
    taken: Vec<Duration>,
    /// Of those in which it did not.
    undisturbed: Vec<Duration>,
    stood_still: u32,
    stood_still_long: u32,
    longest: Duration,
}

impl Trips {
    fn show(&mut self, what: &str) {
        let shown = |taken: &mut Vec<Duration>| {
            taken.sort_unstable();
            let at = |of_1000: usize| taken[taken.len() * of_1000 / 1_000].as_ns() / 1_000;
            let us = |taken: Option<&Duration>| taken.map_or(0, |taken| taken.as_ns() / 1_000);
            let (least, most) = (us(taken.first()), us(taken.last()));
            format!(
                "least {least} us, p50 {} us, p99 {} us, p99.9 {} us, most {most} us",
                at(500),
                at(990),
                at(999)
            )
        };
        println!("{what}: {}", shown(&mut self.taken));
        println!(
            "  the loop stood still {} times for a round trip and more, for {} us at most; the other {} orders: {}",
            self.stood_still,
            self.longest.as_ns() / 1_000,
            self.undisturbed.len(),
            shown(&mut self.undisturbed),
        );
    }
}

/// The kernel's application sends back what it reads.
fn echo(line: &mut Line) {
    let mut bytes = [0; 4_000];
    match line.socket.read(&mut bytes) {
        Ok(len) => line.socket.write_all(&bytes[..len]).expect("it has room"),
        Err(why) if why.kind() == ErrorKind::WouldBlock => {}
        Err(why) => panic!("{why}"),
    }
}

/// So many orders, each compared as it comes back.
fn there_and_back(line: &mut Line, orders: u32) -> Trips {
    let mut trips = Trips::default();
    for number in 0..orders {
        let order = order(number);
        line.begun = StdInstant::now();
        let begun = line.host.now();
        let room =
            line.host.stack.reserve(line.id, order.len()).expect("all before is acknowledged");
        room.copy_from_slice(&order);
        line.host.stack.commit(begun, line.id, order.len());
        let (mut last, mut is_undisturbed) = (begun, true);
        line.until("an order", |line| {
            echo(line);
            let now = line.host.now();
            let still = now - last;
            trips.stood_still += u32::from(still > STILL);
            trips.stood_still_long += u32::from(still > LONG);
            trips.longest = trips.longest.max(still);
            is_undisturbed &= still <= STILL;
            last = now;
            line.host.received.len() >= order.len()
        });
        assert_eq!(line.host.received, order);
        line.host.received.clear();
        let taken = line.host.now() - begun;
        trips.taken.push(taken);
        if is_undisturbed {
            trips.undisturbed.push(taken);
        }
    }
    trips
}

fn open(config: Config, out: Faults, inward: Faults) -> Line {
    let mut line = Line::with(Host::with_ways(config, out, inward));
    line.socket.set_nodelay(true).expect("it is TCP");
    // What grows all the while takes time of its own.
    line.host.recording = None;
    line
}

fn finish(mut line: Line) {
    line.end();
}

/// Lost of ours, sent again, and told to have come twice.
fn repaired(line: &Line) -> [u64; 3] {
    [line.host.harmed()[0], line.count(Count::Retransmission), line.count(Count::DsackIn)]
}

#[test]
fn orders_there_and_back_at_1_percent_loss_go_again_where_they_were_lost() {
    inside(
        "ping_pong::orders_there_and_back_at_1_percent_loss_go_again_where_they_were_lost",
        || {
            let orders = if full() { 50_000 } else { 5_000 };
            let mut line = open(fast(), WAY, WAY);
            there_and_back(&mut line, orders).show("no loss, fast repair");
            finish(line);

            // What the kernel loses it repairs by its own patience, 200 ms: only what we send is lost.
            let mut line = open(fast(), LOSSY, WAY);
            there_and_back(&mut line, orders).show("1 % of ours lost, fast repair");
            let [lost, again, twice] = repaired(&line);
            println!("  {lost} frames lost, {again} sent again, {twice} came twice");
            assert!(lost > 0 && again > 0, "{}", line.story());
            assert!(again <= lost + twice, "{}", line.story());
            finish(line);

            let mut line = open(Config::default(), LOSSY, WAY);
            let mut trips = there_and_back(&mut line, orders / 5);
            trips.show("1 % of ours lost, patient");
            let [lost, again, twice] = repaired(&line);
            println!("  {lost} frames lost, {again} sent again, {twice} came twice");
            assert!(lost > 0 && again > 0, "{}", line.story());
            assert!(twice <= u64::from(trips.stood_still_long), "{}", line.story());
            assert!(again <= lost + twice, "{}", line.story());
            finish(line);
        },
    );
}

/// The kernel's least timeout can be set by route, but its timers tick: a loss of its own takes it 4 ms and more.
#[test]
fn orders_lost_both_ways_come_back_once_and_unaltered() {
    inside("ping_pong::orders_lost_both_ways_come_back_once_and_unaltered", || {
        let host = Host::with_ways(fast(), LOSSY, LOSSY);
        let mut line = Line::by_route(host, "10.9.0.0/24 dev fwg0 src 10.9.0.1 rto_min 1ms");
        line.socket.set_nodelay(true).expect("it is TCP");
        line.host.recording = None;
        let orders = if full() { 20_000 } else { 2_000 };
        there_and_back(&mut line, orders).show("1 % lost each way, fast repair at both ends");
        let [lost, again, twice] = repaired(&line);
        println!("  {lost} frames lost, {again} of ours sent again, {twice} came twice");
        println!("  the kernel sent {} again by its own word", line.kernel.count("TcpRetransSegs"));
        assert!(lost > 0 && again > 0, "{}", line.story());
        finish(line);
    });
}
