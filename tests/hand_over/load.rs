//! A counterparty that sends orders as fast as they are filled, and looks at every answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::common::client::Client;
use super::common::inside::PATIENCE;
use super::world::{PORT, at};

/// Orders that are not answered yet, at most.
const IN_FLIGHT_MAX: u64 = 40;
/// Orders between two hand-overs, at least.
const ORDERS_BETWEEN: u64 = 3_000;

/// One that trades on a thread of its own until it is told to end.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    filled: AtomicU64,
    is_over: AtomicBool,
}

/// The body of an order.
pub(crate) fn order(id: &str) -> String {
    format!("11={id}|55=ESZ6|54=1|38=7|40=2|44=4500.25|60=20260102-03:04:05|")
}

impl Load {
    /// Logs on as `us` and begins.
    pub(crate) fn begin(us: &str) -> Load {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let client = Client::connect(at(PORT), "FIX.4.4", us, "EXCHANGE").log_on("");
        let thread = std::thread::spawn(move || trade(client, &theirs));
        Load { shared, thread }
    }

    /// Waits until many more orders are filled.
    pub(crate) fn trades_on(&self) {
        let from = self.shared.filled.load(Ordering::Relaxed);
        let begun = Instant::now();
        while self.shared.filled.load(Ordering::Relaxed) < from + ORDERS_BETWEEN {
            assert!(!self.thread.is_finished(), "the counterparty has ended");
            assert!(begun.elapsed() < PATIENCE, "no order is filled any more");
            sleep(Duration::from_millis(2));
        }
    }

    /// Has it end in order, and says how many orders were filled: all that it sent.
    pub(crate) fn end(self) -> u64 {
        self.shared.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the counterparty has seen nothing amiss");
        self.shared.filled.load(Ordering::Relaxed)
    }
}

/// Each order is filled once, in its turn, under the next number, and nothing else is said.
fn trade(mut client: Client, shared: &Shared) {
    let (mut sent, mut filled) = (0u64, 0u64);
    // The Logon had the first number.
    let mut expected = 2u64;
    loop {
        let is_over = shared.is_over.load(Ordering::Relaxed);
        while !is_over && sent < filled + IN_FLIGHT_MAX {
            client.send("D", &order(&format!("S{sent}")));
            sent += 1;
        }
        if filled == sent {
            break;
        }
        let report = client.next();
        assert!(report.starts_with(&format!("8 {expected}|")), "not number {expected}: {report}");
        assert!(report.contains(&format!("|11=S{filled}|")), "not on S{filled}: {report}");
        assert!(!report.contains("|43=Y|"), "sent again: {report}");
        (expected, filled) = (expected + 1, filled + 1);
        shared.filled.store(filled, Ordering::Relaxed);
    }
    client.send("5", "");
    assert_eq!(client.next(), format!("5 {expected}|"));
}
