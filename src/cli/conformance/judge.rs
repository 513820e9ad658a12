//! What a session must have come to.

use fixwire::offload::capability::Capability;
use fixwire::offload::profile::Profile;
use fixwire::wire::Refusal;

use super::case::{Case, Line, Speech};
use super::trial::{DROPS, MARKS, Outcome, STRAY_FRAMES};

/// What the session on a device that does nothing came to, on a clean line.
pub(super) struct Expected {
    ours: Vec<u8>,
    theirs: Vec<u8>,
    marked: Option<u64>,
}

impl Expected {
    /// `None` for a session that did not come to its end.
    pub(super) fn of(outcome: &Outcome) -> Option<Expected> {
        outcome.is_done.then(|| Expected {
            ours: outcome.ours.clone(),
            theirs: outcome.theirs.clone(),
            marked: outcome.flow_hits[MARKS],
        })
    }
}

/// Says what is wrong, the gravest first.
pub(super) fn judge(
    case: &Case,
    profile: &Profile,
    outcome: &Outcome,
    expected: &Expected,
) -> Result<(), String> {
    if case.may_let_wrong_bytes_in() {
        return liar_is_found(case, profile, outcome);
    }
    same("our application", &outcome.ours, &expected.ours)?;
    same("the peer's application", &outcome.theirs, &expected.theirs)?;
    if !outcome.is_done {
        return Err("not every order was reported on in time".into());
    }
    if outcome.stamps_wrong > 0 {
        return Err(format!("{} stamps were missing or went back", outcome.stamps_wrong));
    }
    let layers = [
        (Capability::RxIpv4Checksum, "ipv4_checksum_wrong"),
        (Capability::RxTcpChecksum, "tcp_checksum_wrong"),
    ];
    let was_wrong =
        layers.into_iter().any(|(layer, refusal)| case.has(layer) && outcome.count(refusal) > 0);
    let demoted = outcome.count("nic_demoted") > 0;
    match (case.speech, demoted) {
        (Speech::Lying(_), false) if was_wrong => {
            return Err("the device called wrong bytes good and was not demoted".into());
        }
        (Speech::Truthful(_) | Speech::Unfinished, true) => {
            return Err("a device that was right was demoted".into());
        }
        _ => {}
    }
    if case.line == Line::Clean { rules_were_kept(outcome, expected) } else { Ok(()) }
}

/// Wrong bytes may have got in, but no more than the audit's bound says, and then never again.
fn liar_is_found(case: &Case, profile: &Profile, outcome: &Outcome) -> Result<(), String> {
    let refused: u64 = Refusal::ALL.iter().map(|reason| outcome.count(reason.name())).sum();
    let accepted = outcome.corrupted_to_us.saturating_sub(refused);
    let bound = profile.rx_checksum_audit.wrong_frames_in_999_of_1000().unwrap_or(u64::MAX);
    if accepted > bound {
        return Err(format!("{accepted} wrong frames were accepted, and the bound is {bound}"));
    }
    // Most of a frame is its segment: the header's lies alone may be too few to be found.
    let is_long = case.has(Capability::RxTcpChecksum) && outcome.corrupted_to_us > 2 * bound;
    if is_long && outcome.count("nic_demoted") == 0 {
        return Err(format!(
            "the device lied of {} frames and was not demoted",
            outcome.corrupted_to_us
        ));
    }
    Ok(())
}

fn rules_were_kept(outcome: &Outcome, expected: &Expected) -> Result<(), String> {
    let dropped = outcome.flow_hits[DROPS];
    if dropped != Some(STRAY_FRAMES) {
        return Err(format!("{STRAY_FRAMES} frames were to be dropped by rule, not {dropped:?}"));
    }
    let got_through = outcome.count("tcp_port_unreachable");
    if got_through > 0 {
        return Err(format!("{got_through} frames got through that a rule drops"));
    }
    let marked = outcome.flow_hits[MARKS];
    if marked != expected.marked {
        return Err(format!("{:?} frames were to be marked, not {marked:?}", expected.marked));
    }
    Ok(())
}

/// Compares two streams, and shows the first message that differs.
fn same(whose: &str, found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let lines = |stream: &'_ [u8]| -> Vec<String> {
        stream
            .split(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line).replace('\x01', "|"))
            .collect()
    };
    let (found, expected) = (lines(found), lines(expected));
    let none = || "(nothing)".to_owned();
    let number =
        found.iter().zip(&expected).take_while(|(found, expected)| found == expected).count();
    Err(format!(
        "{whose} was given other messages: number {number} is\n    {}\n  and should be\n    {}",
        found.get(number).cloned().unwrap_or_else(none),
        expected.get(number).cloned().unwrap_or_else(none)
    ))
}
