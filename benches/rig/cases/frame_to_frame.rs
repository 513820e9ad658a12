//! From an Ethernet frame with an ExecutionReport to the Ethernet frame with the NewOrderSingle that
//! answers it: through headers, checksums, TCP, FIX, session and strategy, and back.

use fixwire_hw::large_pages;

use crate::case::{Caches, Case, US};
use crate::fixwire_host::FixwireHost;
use crate::floor::Floor;
use crate::line::{Line, Traffic};
use crate::nic::Sums;

/// Sessions of one core.
const SESSIONS: [usize; 4] = [1, 10, 100, SESSIONS_MOST];
const SESSIONS_MOST: usize = 1_000;
/// Frames that a device hands over at once, of many sessions.
const BURST: usize = 32;
/// Who sums, where sessions are many.
const SUMS: Sums = Sums::Offloaded;

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Sums::BOTH.into_iter().flat_map(cases_of).collect();
    for sessions in SESSIONS {
        // Between one and the most, times alone tell what caches hold.
        let is_end = [SESSIONS[0], SESSIONS_MOST].contains(&sessions);
        let counted = |case: Case| if is_end { case } else { case.uncounted() };
        cases.extend(one_of(sessions).map(counted));
    }
    // The last: whoever comes after them in the same process has them, too.
    if large_pages::are_made() {
        cases.extend(one_in_large_pages(SESSIONS_MOST));
    }
    cases
}

/// Reports one at a time, and many at once, of as many sessions.
fn one_of(sessions: usize) -> [Case; 2] {
    let [alone, at_once] = names(sessions, "");
    [
        Case::new(alone, US, move || Floor::<1>::new(SUMS, sessions)),
        Case::new(at_once, US, move || Floor::<BURST>::new(SUMS, sessions)),
    ]
}

/// The instructions are those of the same in small pages.
fn one_in_large_pages(sessions: usize) -> [Case; 2] {
    let [alone, at_once] = names(sessions, ", large pages");
    [
        Case::new(alone, US, move || Floor::<1>::new(SUMS, sessions).in_large_pages()).uncounted(),
        Case::new(at_once, US, move || Floor::<BURST>::new(SUMS, sessions).in_large_pages())
            .uncounted(),
    ]
}

fn names(sessions: usize, pages: &str) -> [String; 2] {
    let of = |burst: &str| {
        format!("frame_to_frame/{}, one of {sessions} sessions{burst}{pages}", SUMS.name())
    };
    [of(""), of(&format!(", {BURST} at once"))]
}

fn cases_of(sums: Sums) -> Vec<Case> {
    let what = format!("frame_to_frame/{}", sums.name());
    let ours = Case::new(what.clone(), US, move || {
        Line::new(FixwireHost::new(sums), sums, Traffic::Trading)
    });
    #[allow(unused_mut)]
    let mut cases = vec![ours.and(Caches::OutOfL2)];
    #[cfg(feature = "rivals")]
    {
        use crate::rivals::{Nanofix, OfFix, Pair, Pooled, SmoltcpHost};
        let own = Case::new(what.clone(), "smoltcp + of_fix", move || {
            let host = SmoltcpHost::<_, Pooled>::new(sums, Pair::<OfFix>::default());
            Line::new(host, sums, Traffic::Trading)
        });
        let fastest = Case::new(what, "smoltcp + of_fix, nanofix", move || {
            let host = SmoltcpHost::<_, Pooled>::new(sums, Pair::<Nanofix>::default());
            Line::new(host, sums, Traffic::Trading)
        });
        cases.extend([own.and(Caches::OutOfL2), fastest.and(Caches::OutOfL2)]);
    }
    cases
}
