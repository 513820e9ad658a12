//! From an Ethernet frame with an ExecutionReport to the Ethernet frame with the NewOrderSingle that
//! answers it: through headers, checksums, TCP, FIX, session and strategy, and back.

use crate::case::{Caches, Case, US};
use crate::fixwire_host::FixwireHost;
use crate::line::{Line, Traffic};
use crate::nic::Sums;

pub(super) fn cases() -> Vec<Case> {
    Sums::BOTH.into_iter().flat_map(cases_of).collect()
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
