//! Wire to wire by a second port, which sees both directions by one clock: what is made of its frames, held against the truth.

use fixwire::measure::pairs::{Arrived, Interval, Mark, Matcher, Place, Reason, Roles};
use fixwire::measure::stamp::{Clock, Domain, Stamp, Timescale};
use fixwire::measure::tally::{Kind, Tally};
use fixwire::measure::wire_time::WireTime;

use super::Story;

const PORT: Domain =
    Domain { clock: Clock::WirePort { hardware: true, life: 0 }, scale: Timescale::Elapsed };
/// What the NIC's stamps, by which the truth of what came is found, are rounded by.
const NIC_TICK_PS: i128 = 12_800;

/// What the port saw so far, but for the frame of this number.
fn matched(story: &Story, lost: Option<u64>) -> (Tally, Vec<Interval>) {
    let mut matcher = Matcher::new(Roles::new(Roles::ORDERS, Roles::ANSWERS));
    let (mut tally, mut found) = (Tally::default(), Vec::new());
    let heard = story.pair.wire.heard();
    for (number, of) in (1..).zip(&heard).filter(|(number, _)| Some(*number) != lost) {
        let time = WireTime::from_ticks(of.at.as_ns(), 1_000_000_000);
        let stamp = Ok(Stamp { time, domain: PORT, port: 0 });
        let mark = Mark { place: Place { file: 0, frame: number }, stamp };
        let arrived = Arrived { mark, bytes: &of.bytes, ether_type_at: 12, is_cut_off: false };
        matcher.on_frame(&arrived, &mut |record| {
            tally.record_at_port(record);
            found.extend(record.trigger.and_then(Result::ok));
        });
    }
    (tally, found)
}

#[test]
fn a_second_port_has_the_truth_of_each_order_and_leaves_out_those_with_two_triggers() {
    for seed in 21..=25 {
        let mut story = Story::new(seed);
        story.rounds(60);
        story.finish();
        let (tally, found) = matched(&story, None);
        let truths = story.known.truths.borrow();
        let (mut found, mut of_several, mut owed) = (found.into_iter().peekable(), 0, 0);
        for (at, truth) in truths.iter().enumerate().filter(|(_, truth)| truth.is_answered) {
            // News that nobody answered is acknowledged by the order as well.
            if at > 0 && !truths[at - 1].is_answered {
                of_several += 1;
                continue;
            }
            let at = |ns: u64| WireTime::from_ticks(ns, 1_000_000_000);
            let is_next = |of: &Interval| of.end.time == at(truth.first_left);
            let Some(Interval { begin, end, span, .. }) = found.next_if(is_next) else {
                // The news may still have been waiting for its answer.
                assert!(of_several > 0, "seed {seed}: {truth:?}");
                owed += 1;
                continue;
            };
            assert_eq!(end.time, at(truth.first_left), "seed {seed}: {truth:?}");
            let off = (begin.time - at(truth.last.at)).abs();
            assert!(off.as_ps() <= NIC_TICK_PS, "seed {seed}: {off:?} off: {truth:?}");
            assert_eq!(span, end.time - begin.time);
        }
        assert_eq!(found.next(), None, "seed {seed}: of no message");
        let excluded = |why| tally.excluded(Kind::WireToWireAtPort, why);
        assert!(of_several > 5, "seed {seed}: {of_several}");
        assert_eq!(excluded(Reason::Several), of_several, "seed {seed}");
        // What was sent at the logon acknowledges nothing of an application's.
        assert_eq!(excluded(Reason::NothingNew), 1, "seed {seed}");
        assert_eq!(excluded(Reason::Owed), owed, "seed {seed}");
        let all = tally.excluded_in_all(Kind::WireToWireAtPort);
        assert_eq!(all, of_several + owed + 1, "seed {seed}");
        assert!(owed < of_several, "seed {seed}: {owed} behind {of_several}");
        let [of] = tally.distributions() else { panic!("{:?}", tally.distributions()) };
        assert_eq!((of.title().as_str(), of.domain), ("wire to wire (tap port)", PORT));
        assert!(of.error_bound().contains("how far from the wire the port takes its stamps"));
    }
}

#[test]
fn a_frame_that_the_port_missed_makes_no_figure_wrong() {
    let (mut excluded, mut samples) = (0, 0);
    for lost in 40..60 {
        let mut story = Story::new(31);
        story.rounds(12);
        story.finish();
        let (tally, found) = matched(&story, Some(lost));
        let truths = story.known.truths.borrow();
        let at = |ns: u64| WireTime::from_ticks(ns, 1_000_000_000);
        for of in &found {
            let truth = truths
                .iter()
                .find(|truth| truth.is_answered && at(truth.first_left) == of.end.time);
            let truth = truth.unwrap_or_else(|| panic!("of no message without {lost}: {of:?}"));
            let off = (of.begin.time - at(truth.last.at)).abs();
            assert!(off.as_ps() <= NIC_TICK_PS, "without {lost}: {off:?} off: {truth:?}");
        }
        samples += found.len();
        excluded += tally.excluded_in_all(Kind::WireToWireAtPort) as usize;
    }
    assert!(samples > 200 && excluded > 20, "{samples} {excluded}");
}
