//! Counters held against those of a device that does nothing.

use fixwire::wire::Refusal;

use super::outcome::Counters;

/// A counter that need not be what it is on a device that does nothing, and why. Every other must be, a new
/// one too.
pub(super) const INCOMPARABLE: [(&str, &str); 14] = [
    ("rx_frames", "frames that the device keeps away do not come: judged as a sum"),
    ("rx_bytes", "the same in bytes"),
    ("rx_flow_dropped", "the device's own: judged as a sum with the host's"),
    ("rx_flow_other_queue", "the device's own: judged as a sum with the host's"),
    ("rx_flow_not_ours", "the device's own: judged as a sum with the host's"),
    ("rx_checksum_trusted", "says who checks"),
    ("rx_checksum_verified", "says who checks"),
    ("rx_checksum_partial", "says who finishes sums"),
    ("nic_said_good_but_bad", "follows from what the device says: judged by that"),
    ("nic_demoted", "follows from what the device says: judged by that"),
    ("tx_stamp_by_device", "says who stamps what is sent, if anybody does"),
    ("tx_stamp_by_software", "says who stamps what is sent, if anybody does"),
    ("tx_stamp_overwritten", "nobody asks here, and only what is stamped is overwritten"),
    (
        "nic_rules_installed_anew",
        "only a device that steers has rules, which a line's silence puts in doubt",
    ),
];

/// Counters that say the same together, whoever does the work.
pub(super) const SUMS: [(&str, &[&str]); 3] = [
    ("frames dropped by rule", &["flow_dropped", "rx_flow_dropped"]),
    ("frames sent to another queue by rule", &["flow_other_queue", "rx_flow_other_queue"]),
    (
        "frames that came or were kept away",
        &["rx_frames", "rx_flow_dropped", "rx_flow_other_queue", "rx_flow_not_ours"],
    ),
];

/// A session's counter that a line which loses frames may change, and why.
pub(super) const OF_THE_LINE: [(&str, &str); 1] =
    [("message_assembled", "what is sent again may come in other pieces")];

/// Frames that no rule names, of an isolated port: those that nobody else would refuse by this name.
const NOT_OURS: [&str; 2] = ["flow_not_ours", "rx_flow_not_ours"];

/// Holds all counters of one end against the same of the same line with a device that does nothing.
///
/// # Errors
/// The first that differs, by name, with what was found and what was to be.
pub(super) fn everything(whose: &str, found: &Counters, expected: &Counters) -> Result<(), String> {
    let is_comparable = |name: &str| {
        let is_refusal = Refusal::ALL.iter().any(|reason| reason.name() == name);
        !is_refusal && INCOMPARABLE.iter().all(|(other, _)| *other != name)
    };
    each(whose, &found.all, &expected.all, is_comparable)?;
    what_was_kept_away(whose, found, expected)
}

/// Holds the counters of sessions alone against those of a clean line.
///
/// # Errors
/// As of [`everything`].
pub(super) fn sessions(whose: &str, found: &Counters, expected: &Counters) -> Result<(), String> {
    let is_comparable = |name: &str| OF_THE_LINE.iter().all(|(other, _)| *other != name);
    each(whose, &found.of_sessions, &expected.of_sessions, is_comparable)
}

/// Whoever keeps a frame away, it is one. Each reason counts as often as on a device that does nothing, but
/// that an isolated port keeps a frame away before anyone has another: by so much fewer these may be.
fn what_was_kept_away(whose: &str, found: &Counters, expected: &Counters) -> Result<(), String> {
    for (what, names) in SUMS {
        let name = || format!("{what} ({})", names.join(" + "));
        equal(whose, name, found.sum(names), expected.sum(names))?;
    }
    let kept_away = found.sum(&NOT_OURS).saturating_sub(expected.sum(&NOT_OURS));
    let mut fewer = Vec::new();
    for reason in Refusal::ALL {
        let (found, expected) = (found.of(reason.name()), expected.of(reason.name()));
        let is_of_rules =
            matches!(reason, Refusal::FlowDropped | Refusal::FlowOtherQueue | Refusal::FlowNotOurs);
        if is_of_rules {
            continue;
        }
        if kept_away == 0 || found > expected {
            equal(whose, || reason.name().into(), found, expected)?;
        }
        if found < expected {
            fewer.push((reason.name(), expected - found));
        }
    }
    let name = || {
        let fewer: Vec<_> = fewer.iter().map(|(name, by)| format!("{name} by {by}")).collect();
        format!(
            "frames that no rule names ({}), for which others fell short ({}),",
            NOT_OURS.join(" + "),
            fewer.join(", ")
        )
    };
    equal(whose, name, kept_away, fewer.iter().map(|(_, by)| by).sum())
}

fn each(
    whose: &str,
    found: &[(&'static str, u64)],
    expected: &[(&'static str, u64)],
    is_comparable: impl Fn(&str) -> bool,
) -> Result<(), String> {
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        if is_comparable(name) {
            equal(whose, || (*name).into(), *found, *expected)?;
        }
    }
    Ok(())
}

/// One counter, or several together.
///
/// # Errors
/// It differs: its name, with what was found and what was to be.
pub(super) fn equal(
    whose: &str,
    name: impl FnOnce() -> String,
    found: u64,
    expected: u64,
) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{whose} {} is {found} and should be {expected}", name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(all: &[(&'static str, u64)]) -> Counters {
        Counters { all: all.to_vec(), of_sessions: all.to_vec() }
    }

    #[test]
    fn a_counter_that_nobody_has_heard_of_is_compared() {
        let found = counters(&[("rx_checksum_verified", 1), ("new_thing", 3)]);
        let expected = counters(&[("rx_checksum_verified", 2), ("new_thing", 2)]);
        for compare in [everything, sessions] {
            assert_eq!(compare("our", &found, &found), Ok(()));
        }
        let judged = everything("our", &found, &expected);
        assert_eq!(judged.unwrap_err(), "our new_thing is 3 and should be 2");
    }

    #[test]
    fn a_frame_may_be_kept_away_by_either_and_for_no_rule_s_sake_instead_of_any_other_reason() {
        let expected = counters(&[
            ("rx_frames", 20),
            ("flow_dropped", 5),
            ("ipv4_not_for_us", 5),
            ("tcp_checksum_wrong", 2),
        ]);
        type Case<'a> = (&'a [(&'static str, u64)], &'a str);
        let cases: [Case<'_>; 7] = [
            (
                &[
                    ("rx_frames", 15),
                    ("rx_flow_dropped", 5),
                    ("ipv4_not_for_us", 5),
                    ("tcp_checksum_wrong", 2),
                ],
                "",
            ),
            (
                &[
                    ("rx_frames", 9),
                    ("rx_flow_dropped", 5),
                    ("rx_flow_not_ours", 6),
                    ("tcp_checksum_wrong", 1),
                ],
                "",
            ),
            (
                &[("rx_frames", 16), ("rx_flow_dropped", 4), ("ipv4_not_for_us", 5)],
                "frames dropped by rule (flow_dropped + rx_flow_dropped) is 4 and should be 5",
            ),
            (
                &[("rx_frames", 14), ("rx_flow_dropped", 5)],
                "kept away (rx_frames + rx_flow_dropped + rx_flow_other_queue + rx_flow_not_ours) is 19",
            ),
            (
                &[
                    ("rx_frames", 15),
                    ("rx_flow_dropped", 5),
                    ("ipv4_not_for_us", 5),
                    ("tcp_checksum_wrong", 1),
                ],
                "tcp_checksum_wrong is 1 and should be 2",
            ),
            (
                &[
                    ("rx_frames", 10),
                    ("rx_flow_dropped", 5),
                    ("rx_flow_not_ours", 5),
                    ("tcp_checksum_wrong", 1),
                ],
                "(ipv4_not_for_us by 5, tcp_checksum_wrong by 1), is 5 and should be 6",
            ),
            (
                &[
                    ("rx_frames", 10),
                    ("rx_flow_dropped", 5),
                    ("rx_flow_not_ours", 5),
                    ("tcp_checksum_wrong", 3),
                ],
                "tcp_checksum_wrong is 3 and should be 2",
            ),
        ];
        // By the names of `expected`: those that are not there count nothing.
        for (found, words) in cases {
            let judged = what_was_kept_away("our", &counters(found), &expected);
            match judged {
                Ok(()) => assert_eq!(words, "", "{found:?}"),
                Err(why) => assert!(!words.is_empty() && why.contains(words), "{why}"),
            }
        }
    }
}
