//! What a session must have come to.

use fixwire::offload::capability::Capability;
use fixwire::offload::flow::{Count, FlowRule};

use super::case::{Case, Speech};
use super::compare::{self, equal};
use super::course::{Course, Harm};
use super::lies;
use super::outcome::{Outcome, Side};
use super::strays::{DROPS, ELSEWHERE, MARKS, OF_EACH_KIND, OUTRANKED, RULES, STRAY_LEN, STRAYS};

/// What a case is held against: the session on a device that does nothing, where all is done in software.
pub(super) struct Expected<'a> {
    pub(super) rules: &'a [FlowRule; RULES],
    /// On a clean line.
    pub(super) clean: &'a Outcome,
    /// On the line of the case, where nothing that comes from there depends on the device.
    pub(super) same_line: Option<&'a Outcome>,
}

/// Says what is wrong, the gravest first.
pub(super) fn judge(case: &Case, outcome: &Outcome, expected: &Expected<'_>) -> Result<(), String> {
    let Outcome { ours, theirs, .. } = outcome;
    let clean = expected.clean;
    same("our application", &ours.stream, &clean.ours.stream)?;
    same("the peer's application", &theirs.stream, &clean.theirs.stream)?;
    if !outcome.is_done {
        return Err("the session did not come to its end in time".into());
    }
    if outcome.stamps_wrong > 0 {
        return Err(format!("{} stamps were missing or not of the moment", outcome.stamps_wrong));
    }
    let Course { harm, .. } = case.course();
    if let Harm::Lies { layers, wrong_frames_max } = &harm {
        lies::are_found_out(layers, *wrong_frames_max, outcome)?;
    }
    the_device_is_judged_by_what_it_says(case, outcome)?;
    compare::sessions("our", &ours.counters, &clean.ours.counters)?;
    compare::sessions("the peer's", &theirs.counters, &clean.theirs.counters)?;
    if let Some(twin) = expected.same_line {
        compare::everything("our", &ours.counters, &twin.ours.counters)?;
        compare::everything("the peer's", &theirs.counters, &twin.theirs.counters)?;
    }
    // From here on what the twin would get wrong as well.
    every_wrong_frame_was_refused(&harm, outcome)?;
    every_segment_is_accounted_for("we", (theirs, ours), outcome.strays)?;
    every_segment_is_accounted_for("the peer", (ours, theirs), 0)?;
    every_message_is_accounted_for("our", (theirs, ours))?;
    every_message_is_accounted_for("the peer's", (ours, theirs))?;
    rules_were_kept(&harm, outcome, expected)
}

/// Every frame that the line made wrong was refused by name, and so was every stray, and no other. What a
/// liar got let in has been judged.
fn every_wrong_frame_was_refused(harm: &Harm, outcome: &Outcome) -> Result<(), String> {
    let Outcome { ours, theirs, strays, found_out, .. } = outcome;
    let let_in = match harm {
        Harm::Lies { .. } => found_out.iter().map(|found| found.let_in).max().unwrap_or(0),
        Harm::None | Harm::Flips { .. } => 0,
    };
    for (whose, side, strays, let_in) in
        [("our", ours, *strays, let_in), ("the peer's", theirs, 0, 0)]
    {
        let wrong = side.received_wrong;
        let name = || format!("sum of refusals ({wrong} wrong frames and {strays} strays came)");
        equal(whose, name, side.counters.refused() + let_in, wrong + strays)?;
    }
    Ok(())
}

/// What one end sent, the other took in or refused by name: nothing was lost in silence.
fn every_segment_is_accounted_for(
    who: &str,
    (from, to): (&Side, &Side),
    strays: u64,
) -> Result<(), String> {
    let sent = from.counters.of("tcp_segment_out") + strays;
    let (taken, refused) = (to.counters.of("tcp_segment_in"), to.counters.refused());
    if sent == taken + refused {
        return Ok(());
    }
    Err(format!(
        "{who} took in {taken} segments (tcp_segment_in) and refused {refused} frames by name, of {sent} that \
         were sent (tcp_segment_out and {strays} strays)"
    ))
}

/// What one end's session sent, the other's received, and its application was given what it counts.
fn every_message_is_accounted_for(whose: &str, (from, to): (&Side, &Side)) -> Result<(), String> {
    let sent = from.counters.of("message_sent");
    equal(whose, || "message_received".into(), to.counters.of("message_received"), sent)?;
    equal(whose, || "message_delivered".into(), to.counters.of("message_delivered"), to.messages)
}

/// What is never to be heard of a device that works and says what this one says.
const NEVER: [&str; 5] = [
    "nic_said_bad_but_good",
    "nic_said_none_but_full",
    "nic_steered_wrongly",
    "rx_stamp_missing",
    "rx_stamp_backwards",
];

/// A device that says what is true is never contradicted; one that lies is in each layer in which it was
/// seen to, and loses it.
fn the_device_is_judged_by_what_it_says(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let counters = &outcome.ours.counters;
    for name in NEVER {
        equal("our", || name.into(), counters.of(name), 0)?;
    }
    let contradicted = counters.of("nic_said_good_but_bad");
    let is_lying = matches!(case.speech, Speech::Lying(_));
    let lies =
        |layer, refusal| if is_lying && case.believes(layer) { counters.of(refusal) } else { 0 };
    let of_segments = lies(Capability::RxTcpChecksum, "tcp_checksum_wrong");
    let of_headers = lies(Capability::RxIpv4Checksum, "ipv4_checksum_wrong");
    // Of a header whose flipped bit leaves no segment to find, such a device says nothing.
    let most = of_segments + of_headers;
    if contradicted > most || contradicted < of_segments {
        return Err(format!(
            "our nic_said_good_but_bad is {contradicted} and should be {of_segments} to {most}, by \
             tcp_checksum_wrong and ipv4_checksum_wrong"
        ));
    }
    let layers = u64::from(of_segments > 0) + u64::from(contradicted > of_segments);
    equal("our", || "nic_demoted".into(), counters.of("nic_demoted"), layers)
}

/// Whoever steers, each stray went where the rule of the highest priority sends it, and the rules that count
/// have counted every stray that they are for, and every frame of the session's own.
fn rules_were_kept(harm: &Harm, outcome: &Outcome, expected: &Expected<'_>) -> Result<(), String> {
    equal("our", || "number of strays".into(), outcome.strays, STRAYS)?;
    let counters = &outcome.ours.counters;
    for names in [["flow_dropped", "rx_flow_dropped"], ["flow_other_queue", "rx_flow_other_queue"]]
    {
        equal("our", || names.join(" + "), counters.sum(&names), OF_EACH_KIND)?;
    }
    let of_strays = |frames| Count { hits: frames, bytes: frames * STRAY_LEN };
    let marked = expected.same_line.and_then(|twin| twin.flow_counts[MARKS]);
    for (what, rule, due) in [
        ("is outranked", OUTRANKED, Some(of_strays(0))),
        ("drops", DROPS, Some(of_strays(OF_EACH_KIND))),
        ("sends to another queue", ELSEWHERE, Some(of_strays(OF_EACH_KIND))),
        ("marks", MARKS, marked),
    ] {
        let found = outcome.flow_counts[rule];
        if let Some(due) = due
            && expected.rules[rule].actions.count
            && found != Some(due)
        {
            let in_words = |Count { hits, bytes }| format!("{hits} ({bytes} bytes)");
            let found = found.map_or("nothing".into(), in_words);
            let due = in_words(due);
            return Err(format!("the rule that {what} counted {found} and should have {due}"));
        }
    }
    // What the twin's classifier would get wrong as well.
    let sent = outcome.theirs.counters.of("tcp_segment_out");
    match outcome.flow_counts[MARKS] {
        Some(Count { hits, .. }) if *harm == Harm::None && hits != sent => {
            Err(format!("the rule that marks counted {hits} and should have {sent}"))
        }
        _ => Ok(()),
    }
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
