//! What the window does, loss by loss.

use super::*;

const MSS: u32 = 1000;
const NOW: Instant = Instant::from_ms(1);

fn reno() -> Congestion {
    Congestion::new(CongestionControl::NewReno, MSS, SeqNumber(0))
}

#[test]
fn initial_window_is_ten_segments_within_rfc6928() {
    for (mss, window) in [(536, 5360), (1460, 14_600), (8960, 17_920)] {
        assert_eq!(Congestion::new(CongestionControl::NewReno, mss, SeqNumber(0)).cwnd(), window);
    }
}

#[test]
fn slow_start_grows_by_each_ack_and_avoidance_by_each_window() {
    let mut reno = reno();
    reno.on_ack(SeqNumber(1000), 1000, 10_000, NOW, None);
    assert_eq!(reno.cwnd(), 11_000);
    reno.ssthresh = 11_000;
    for _ in 0..10 {
        reno.on_ack(SeqNumber(1000), 1000, 11_000, NOW, None);
    }
    assert_eq!(reno.cwnd(), 11_000);
    reno.on_ack(SeqNumber(1000), 1000, 11_000, NOW, None);
    assert_eq!(reno.cwnd(), 12_000);
}

#[test]
fn what_a_recovery_took_is_given_back_and_what_else_has_changed_stays() {
    let mut reno = reno();
    let before = reno.before();
    for count in 1..=3 {
        reno.on_duplicate_ack(count, SeqNumber(1), 10_000, SeqNumber(10_001), false);
    }
    assert!(reno.is_recovering());
    reno.on_mss(500);
    reno.set_control(CongestionControl::Cubic);
    reno.undo(&before);
    assert_eq!((reno.is_open(), reno.cwnd()), (true, before.cwnd));
    assert_eq!((reno.mss(), reno.initial()), (500, 5_000));
    assert_eq!(reno.control(), CongestionControl::Cubic);
}

#[test]
fn slow_start_grows_by_all_that_an_ack_acknowledges_within_eight_segments() {
    let mut reno = reno();
    reno.on_ack(SeqNumber(2000), 2000, 10_000, NOW, None);
    assert_eq!(reno.cwnd(), 12_000);
    reno.on_ack(SeqNumber(14_000), 12_000, 12_000, NOW, None);
    assert_eq!(reno.cwnd(), 20_000);
    let mut unbound = reno.widening_by(u32::MAX);
    unbound.on_ack(SeqNumber(34_000), 20_000, 20_000, NOW, None);
    assert_eq!(unbound.cwnd(), 40_000);
    reno.ssthresh = 21_500;
    reno.on_ack(SeqNumber(34_000), 20_000, 20_000, NOW, None);
    assert_eq!(reno.cwnd(), 21_500);
}

#[test]
fn slow_start_after_a_timeout_grows_by_a_segment_for_each_ack() {
    let mut reno = reno();
    reno.on_timeout(true, 10_000, SeqNumber(10_000));
    reno.on_ack(SeqNumber(5000), 5000, 10_000, NOW, None);
    assert_eq!(reno.cwnd(), 2000);
}

#[test]
fn window_grows_to_twice_what_was_in_flight_in_the_last_round_trip() {
    let mut reno = reno();
    for ack in [2, 4, 6, 8, 9] {
        let acked = if ack == 9 { 1000 } else { 2000 };
        let flight = 9000 - (ack * 1000 - acked);
        reno.on_ack(SeqNumber(ack * 1000), acked, flight, NOW, None);
    }
    assert_eq!(reno.cwnd(), 18_000);
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    let mut reno = reno();
    reno.on_ack(SeqNumber(150), 150, 150, NOW, None);
    assert_eq!(reno.cwnd(), 10_000);
}

#[test]
fn third_duplicate_halves_and_a_full_ack_deflates() {
    let mut reno = reno();
    let (ack, nxt) = (SeqNumber(1), SeqNumber(10_001));
    assert!(!reno.on_duplicate_ack(1, ack, 10_000, nxt, false));
    assert!(!reno.on_duplicate_ack(2, ack, 10_000, nxt, false));
    assert!(reno.on_duplicate_ack(3, ack, 10_000, nxt, false));
    assert_eq!(reno.cwnd(), 8000);
    assert!(!reno.on_duplicate_ack(4, ack, 10_000, nxt, false));
    assert_eq!(reno.cwnd(), 9000);
    assert!(
        reno.on_ack(SeqNumber(3001), 3000, 10_000, NOW, None),
        "a partial ACK shows the next loss"
    );
    assert_eq!(reno.cwnd(), 7000);
    assert!(!reno.on_ack(nxt, 7000, 7000, NOW, None));
    assert_eq!((reno.cwnd(), reno.is_recovering()), (2000, false));
    // What was sent twice brings duplicates: not another loss.
    assert!(!reno.on_duplicate_ack(3, nxt, 2000, nxt, false));
}

#[test]
fn a_loss_found_behind_what_arrived_of_several_windows_makes_no_window() {
    for (control, kept) in [(CongestionControl::NewReno, 500), (CongestionControl::Cubic, 700)] {
        let mut window = Congestion::new(control, MSS, SeqNumber(0));
        window.begin_recovery(30_000, SeqNumber(30_001), false);
        assert_eq!(window.ssthresh(), 10 * kept);
        // The window while it is repaired is what may leave for what has arrived.
        window.on_ack_in_recovery(SeqNumber(1), MSS, 2_000, true);
        window.on_timeout(true, 30_000, SeqNumber(60_001));
        // Nor is it made smaller once more: what is in flight was answered when the repair began.
        assert_eq!(window.ssthresh(), 10 * kept);
    }
}

#[test]
fn timeout_leaves_one_segment_and_halves_only_once() {
    let mut reno = reno();
    reno.on_timeout(true, 10_000, SeqNumber(10_001));
    assert_eq!((reno.cwnd(), reno.ssthresh), (1000, 5000));
    reno.on_timeout(false, 1000, SeqNumber(10_001));
    assert_eq!((reno.cwnd(), reno.ssthresh), (1000, 5000));
}

#[test]
fn idle_for_longer_than_a_timeout_goes_back_to_the_initial_window() {
    let mut reno = reno();
    reno.cwnd = 30_000;
    reno.on_idle(Duration::from_ms(200), || Duration::from_ms(200));
    assert_eq!(reno.cwnd(), 30_000);
    reno.on_idle(Duration::from_ms(201), || Duration::from_ms(200));
    assert_eq!(reno.cwnd(), 10_000);
}

#[test]
fn without_control_only_the_named_bound_counts() {
    let control = CongestionControl::None { in_flight_bytes_max: 50_000 };
    let mut none = Congestion::new(control, MSS, SeqNumber(0));
    none.on_timeout(true, 10_000, SeqNumber(10_001));
    assert_eq!(none.cwnd(), 50_000);
}
