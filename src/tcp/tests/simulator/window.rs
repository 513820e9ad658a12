//! Between what the congestion window lies, and what it goes back to.

use crate::tcp::CongestionControl;
use crate::tcp::connection::Connection;

/// RFC 6928 2: as much as a connection begins with.
fn initial(mss: u32) -> u32 {
    (10 * mss).min(14_600.max(2 * mss))
}

/// `cwnd` is no less than a segment, and no more than it began with and what was acknowledged since: every control widens
/// it by no more than that (RFC 5681 3.1, RFC 9438 4.3 and 4.4), and none is widened by a loss. `ssthresh`, which becomes
/// the window when a repair is over, is as much, or the highest number before any loss.
///
/// While something is repaired the window says how much may leave: without SACK a segment for each of the `duplicates`
/// that came (RFC 5681 3.2, step 4), with it what follows from what has arrived (RFC 6937).
pub(super) fn check_window(connection: &Connection, duplicates: u64) {
    let congestion = &connection.congestion;
    if matches!(congestion.control(), CongestionControl::None { .. }) {
        return;
    }
    let mss = connection.snd_mss;
    let (cwnd, ssthresh) = (u64::from(congestion.cwnd()), u64::from(congestion.ssthresh()));
    let largest = mss.max(u32::from(connection.apart.ends_mss));
    let acknowledged = connection.snd_una.since(connection.iss);
    let grown = u64::from(initial(largest) + acknowledged);
    assert!(cwnd >= u64::from(mss), "cwnd {cwnd} is less than a segment of {mss}");
    let most = match (congestion.is_recovering(), connection.sack.is_agreed) {
        (true, true) => u64::MAX,
        (true, false) => grown + (duplicates + 3) * u64::from(mss),
        (false, _) => grown,
    };
    assert!(cwnd <= most, "cwnd {cwnd} has grown past {most}: {congestion:?}");
    let is_before_loss = congestion.is_open() && ssthresh == u64::from(u32::MAX);
    assert!(
        is_before_loss || ssthresh <= grown,
        "ssthresh {ssthresh} has grown past {grown}: {congestion:?}"
    );
    assert!(ssthresh > 0, "ssthresh is nothing");
}
