//! What the two agree on, and what one of them does without: seen in what passed.

use fixwire::tcp::{Config, CongestionControl, Count};
use fixwire::time::Duration;

use crate::common::inside::inside;
use crate::relay::Faults;
use crate::{Line, set};

const LOSSY: Faults = Faults {
    loss_percent: 1,
    repeat_percent: 0,
    corrupt_percent: 0,
    mark_percent: 0,
    delay: Duration::from_us(200),
    jitter: Duration::ZERO,
    burst_frames: 0,
    seed: 1,
};

#[test]
fn ecn_is_agreed_on_and_what_the_relay_marks_is_acted_on() {
    inside("options::ecn_is_agreed_on_and_what_the_relay_marks_is_acted_on", || {
        set("tcp_ecn", "1");
        set("tcp_congestion_control", "reno");
        for congestion in [CongestionControl::NewReno, CongestionControl::Dctcp] {
            let config = Config { ecn: true, congestion, ..Config::default() };
            let faults = Faults { mark_percent: 2, ..Faults::default() };
            let mut line = Line::open(config, faults);
            line.bulk(1 << 20);
            assert!(line.host.harmed()[2] > 0, "nothing was marked");
            assert!(line.count(Count::CongestionExperienced) > 0, "{}", line.story());
            assert!(line.count(Count::CongestionEchoed) > 0, "{}", line.story());
            assert_eq!(line.count(Count::Retransmission), 0, "{}", line.story());
            // RFC 3168 6.1: what came marked, who said so, and who said that it has acted, both ways.
            let told = [
                "ip.dst == 10.9.0.2 && ip.dsfield.ecn == 3",
                "ip.src == 10.9.0.2 && ip.dsfield.ecn == 2 && tcp.len > 0",
                "ip.src == 10.9.0.2 && tcp.flags.ece == 1 && tcp.flags.syn == 0",
                "ip.dst == 10.9.0.2 && tcp.flags.ece == 1 && tcp.flags.syn == 0",
                "ip.src == 10.9.0.2 && tcp.flags.cwr == 1 && tcp.flags.syn == 0",
                "ip.dst == 10.9.0.2 && tcp.flags.cwr == 1 && tcp.flags.syn == 0",
            ];
            line.close_and_find(&told, &[]);
        }
    });
}

#[test]
fn losses_both_ways_are_told_by_sack_and_repaired_by_it() {
    inside("options::losses_both_ways_are_told_by_sack_and_repaired_by_it", || {
        let mut line = Line::open(Config::default(), LOSSY);
        line.bulk(2 << 20);
        assert!(line.count(Count::FastRetransmit) > 0, "{}", line.story());
        let told = [
            "ip.src == 10.9.0.2 && tcp.options.sack_le",
            "ip.dst == 10.9.0.2 && tcp.options.sack_le",
        ];
        line.close_and_find(&told, &[]);
    });
}

#[test]
fn what_the_kernel_does_not_offer_is_done_without() {
    inside("options::what_the_kernel_does_not_offer_is_done_without", || {
        for (name, off) in [("tcp_timestamps", "0"), ("tcp_sack", "0"), ("tcp_window_scaling", "0")]
        {
            set(name, off);
            let mut line = Line::open(Config::default(), LOSSY);
            line.bulk(500_000);
            let info = line.host.stack.info(line.id).unwrap();
            assert!(!info.uses_timestamps, "{info:?}");
            assert_eq!(info.uses_sack, name == "tcp_timestamps", "{name}: {info:?}");
            assert_eq!(info.window_shifts.0 > 0, name != "tcp_window_scaling", "{info:?}");
            line.close();
        }
    });
}

#[test]
fn what_we_do_not_offer_the_kernel_does_without() {
    inside("options::what_we_do_not_offer_the_kernel_does_without", || {
        let on = Config::default();
        for config in [
            Config { timestamps: false, ..on.clone() },
            Config { sack: false, ..on.clone() },
            Config { window_scaling: false, ..on.clone() },
            Config { timestamps: false, sack: false, window_scaling: false, ..on.clone() },
        ] {
            let mut line = Line::open(config.clone(), LOSSY);
            line.bulk(500_000);
            let info = line.host.stack.info(line.id).unwrap();
            let uses = (info.uses_timestamps, info.uses_sack, info.window_shifts.0 > 0);
            assert_eq!(uses, (config.timestamps, config.sack, config.window_scaling), "{info:?}");
            line.close();
        }
    });
}

#[test]
fn tiny_segments_carry_the_same_bytes() {
    inside("options::tiny_segments_carry_the_same_bytes", || {
        let config = Config { mss: 100, ..Config::default() };
        let mut line = Line::open(config, Faults::default());
        line.bulk(300_000);
        assert!(line.host.stack.info(line.id).unwrap().mss <= 88);
        // Timestamps take 12 bytes of each, both ways.
        line.close_and_find(
            &["ip.src == 10.9.0.2 && tcp.options.mss_val == 100"],
            &["tcp.len > 88"],
        );
    });
}

#[test]
fn tiny_segments_that_the_kernel_asks_for_carry_the_same_bytes() {
    inside("options::tiny_segments_that_the_kernel_asks_for_carry_the_same_bytes", || {
        for (mss, faults) in [(88, Faults::default()), (90, LOSSY)] {
            let route = format!("10.9.0.0/24 dev fwg0 src 10.9.0.1 advmss {mss}");
            let mut line = Line::open_after(Config::default(), faults, &route);
            line.bulk(200_000);
            assert!(line.host.stack.info(line.id).unwrap().mss <= mss - 12, "{}", line.story());
            let asked = format!("ip.dst == 10.9.0.2 && tcp.options.mss_val == {mss}");
            let too_long = format!("ip.src == 10.9.0.2 && tcp.len > {}", mss - 12);
            line.close_and_find(&[&asked], &[&too_long]);
        }
    });
}
