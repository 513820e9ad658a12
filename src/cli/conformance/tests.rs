//! That the judge judges: sessions as they are, and as they would be if something were wrong.

use fixwire::offload::flow::Count;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::Audit;
use fixwire_hw::sim::{Model, VerdictStyle};

use super::case::{Line, Speech};
use super::compare::{INCOMPARABLE, OF_THE_LINE, SUMS};
use super::course::Harm;
use super::outcome::{Counters, Outcome};
use super::strays::{DROPS, ELSEWHERE, MARKS, OUTRANKED};
use super::*;

const SEED: u64 = 5;
const LAYERS: [Capability; 2] = [Capability::RxIpv4Checksum, Capability::RxTcpChecksum];

fn bench(model: &str) -> (Bench, Vec<Case>) {
    bench_without(&[], model)
}

fn bench_without(without: &[Capability], model: &str) -> (Bench, Vec<Case>) {
    let model = Model::named(model).expect("a model");
    Bench::new(model, Profile::all(Policy::Prefer), without, false).unwrap()
}

fn comes_to(bench: &Bench, case: &Case, seed: u64) -> Outcome {
    bench.trades(case, seed).unwrap().expect("a session")
}

/// The cases that differ in how they are judged, and what each comes to.
fn tried() -> (Bench, Vec<(Case, Outcome)>) {
    let (bench, mut cases) = bench("connectx5");
    cases.retain(|case| match case.speech {
        Speech::Truthful(style) => style == VerdictStyle::GoodOrBad,
        Speech::Unfinished => false,
        Speech::Lying(_) => case.line == Line::Corrupt,
    });
    let outcomes: Vec<_> = cases.iter().map(|case| comes_to(&bench, case, SEED)).collect();
    let comes_wrong =
        |outcome: &Outcome| outcome.ours.received_wrong > 0 || outcome.theirs.received_wrong > 0;
    for (case, outcome) in cases.iter().zip(&outcomes) {
        assert_eq!(comes_wrong(outcome), case.line == Line::Corrupt, "{case}");
    }
    (bench, cases.into_iter().zip(outcomes).collect())
}

fn count_one_more(counters: &mut Counters, name: &str) {
    for (known, count) in counters.all.iter_mut().chain(&mut counters.of_sessions) {
        *count += u64::from(*known == name);
    }
}

#[test]
fn every_counter_without_an_exception_fails_its_case_by_name_when_it_is_one_too_high() {
    let (bench, tried) = tried();
    for (case, outcome) in &tried {
        let is_on_a_line_of_its_own = matches!(case.course().harm, Harm::Lies { .. });
        let of_sessions = |name: &str| {
            let of_sessions = &outcome.ours.counters.of_sessions;
            of_sessions.iter().any(|(known, _)| *known == name)
                && OF_THE_LINE.iter().all(|(known, _)| *known != name)
        };
        for (name, _) in &outcome.ours.counters.all {
            let mut ours = outcome.clone();
            count_one_more(&mut ours.ours.counters, name);
            let mut theirs = outcome.clone();
            count_one_more(&mut theirs.theirs.counters, name);
            let is_by_speech = matches!(*name, "nic_said_good_but_bad" | "nic_demoted");
            let is_excepted = INCOMPARABLE.iter().any(|(other, _)| other == name)
                && SUMS.iter().all(|(_, names)| !names.contains(name));
            for (whose, bent, is_judged) in
                [("our", ours, !is_excepted || is_by_speech), ("the peer's", theirs, !is_excepted)]
            {
                let judged = bench.judges(case, SEED, &bent);
                let what = format!("{case}: {whose} {name}: {judged:?}");
                if is_on_a_line_of_its_own {
                    assert!(judged.is_err() || !of_sessions(name), "{what}");
                } else if is_judged {
                    assert!(judged.is_err_and(|why| why.contains(name)), "{what}");
                } else {
                    assert_eq!(judged, Ok(()), "{what}");
                }
            }
        }
    }
}

#[test]
fn every_exception_is_a_counter_that_there_is_and_has_its_reason() {
    let (bench, cases) = bench("sim");
    let Counters { all, of_sessions } = comes_to(&bench, &cases[0], SEED).ours.counters;
    let is_known = |name: &str| all.iter().any(|(known, _)| *known == name);
    for (name, why) in INCOMPARABLE {
        assert!(is_known(name) && !why.is_empty(), "{name}");
    }
    for name in SUMS.iter().flat_map(|(_, names)| *names) {
        assert!(is_known(name), "{name}");
    }
    for (name, _) in OF_THE_LINE {
        assert!(of_sessions.iter().any(|(known, _)| *known == name), "{name}");
    }
}

#[test]
fn what_is_wrong_besides_counters_fails_a_case_too() {
    let (bench, tried) = tried();
    let (case, right) = &tried[0];
    type Bend = fn(&mut Outcome);
    let bends: [(Bend, &str); 10] = [
        (|bent| bent.ours.stream.truncate(100), "our application was given other messages"),
        (|bent| bent.theirs.stream.push(b'8'), "the peer's application was given other"),
        (|bent| bent.is_done = false, "did not come to its end"),
        (|bent| bent.stamps_wrong = 1, "1 stamps were missing or not of the moment"),
        (
            |bent| bent.ours.received_wrong += 1,
            "our sum of refusals (1 wrong frames and 15 strays came) is 15 and should be 16",
        ),
        (|bent| bent.theirs.received_wrong += 1, "the peer's sum of refusals (1 wrong"),
        (
            |bent| bent.flow_counts[DROPS] = Some(Count { hits: 4, bytes: 240 }),
            "the rule that drops counted 4 (240 bytes) and should have 5 (300 bytes)",
        ),
        (
            |bent| bent.flow_counts[DROPS] = Some(Count { hits: 5, bytes: 0 }),
            "the rule that drops counted 5 (0 bytes) and should have 5 (300 bytes)",
        ),
        (
            |bent| bent.flow_counts[OUTRANKED] = Some(Count { hits: 1, bytes: 60 }),
            "the rule that is outranked counted 1 (60 bytes) and should have 0 (0 bytes)",
        ),
        (|bent| bent.flow_counts[ELSEWHERE] = None, "sends to another queue counted nothing"),
    ];
    for (bend, words) in bends {
        let mut bent = right.clone();
        bend(&mut bent);
        let judged = bench.judges(case, SEED, &bent).unwrap_err();
        assert!(judged.contains(words), "{judged}");
    }
    for (case, right) in tried.iter().filter(|(case, _)| case.believes(LAYERS[0])) {
        let mut bent = right.clone();
        let bytes_less = |count: Count| Count { bytes: count.bytes - 1, ..count };
        bent.flow_counts[MARKS] = bent.flow_counts[MARKS].map(bytes_less);
        let is_on_a_line_of_its_own = matches!(case.course().harm, Harm::Lies { .. });
        assert_eq!(bench.judges(case, SEED, &bent).is_ok(), is_on_a_line_of_its_own, "{case}");
    }
}

#[test]
fn a_liar_is_let_through_its_proof_and_found_out_within_the_bound_and_not_before_it_lied() {
    let (bench, cases) = bench("e810");
    for (case, bound) in cases.iter().filter_map(|case| match case.course().harm {
        Harm::Lies { wrong_frames_max, .. } => Some((case, wrong_frames_max)),
        _ => None,
    }) {
        let mut most = 0;
        for seed in 0..10 {
            let outcome = comes_to(&bench, case, seed);
            assert_eq!(bench.judges(case, seed, &outcome), Ok(()), "{case}, seed {seed}");
            let found: Vec<_> = outcome.found_out.iter().map(|found| found.capability).collect();
            assert_eq!(found, LAYERS);
            let [of_headers, of_both] = [0, 1].map(|layer| outcome.found_out[layer].let_in);
            most = most.max(of_headers).max(of_both - of_headers);
            assert!(outcome.ours.received_wrong >= outcome.found_out[1].received_wrong + 15);
        }
        assert!((bound / 4..=bound).contains(&most), "{case}: {most} of {bound}");
    }
}

#[test]
fn a_liar_that_got_too_much_let_in_fails_with_both_numbers() {
    let (bench, tried) = tried();
    let (case, right) = tried.last().expect("the last one lies now and then");
    assert_eq!(case.speech, Speech::Lying(Audit::OneIn(64)));
    type Bend = fn(&mut Outcome);
    let bends: [(Bend, &str); 5] = [
        (
            |bent| bent.found_out[0].let_in = 127,
            "127 wrong frames that the device called good were let in before it was demoted for \
             rx_ipv4_checksum; the bound is 126",
        ),
        (|bent| bent.found_out[1].let_in = bent.found_out[0].let_in + 127, "127 wrong frames"),
        (|bent| bent.found_out.truncate(1), "was not demoted for rx_tcp_checksum"),
        (|bent| bent.found_out.clear(), "was not demoted for rx_ipv4_checksum"),
        (|bent| bent.ours.received_wrong += 2, "2 of 23 wrong frames were let in once the device"),
    ];
    for (bend, words) in bends {
        let mut bent = right.clone();
        bend(&mut bent);
        let judged = bench.judges(case, SEED, &bent).unwrap_err();
        assert!(judged.contains(words), "{judged}");
    }
}

#[test]
fn the_line_of_a_corrupt_case_makes_frames_wrong_both_ways() {
    let (bench, cases) = bench("82574");
    let (mut to_us, mut to_them) = (0, 0);
    let corrupt = cases.iter().filter(|case| matches!(case.course().harm, Harm::Flips { .. }));
    for (seed, case) in (0..).zip(corrupt) {
        let outcome = comes_to(&bench, case, seed);
        to_us += outcome.ours.received_wrong;
        to_them += outcome.theirs.received_wrong;
    }
    assert!(to_us > 0 && to_them > 0, "{to_us} to us, {to_them} to them");
}

#[test]
fn models_with_a_flow_table_that_takes_such_rules_do_the_steering_and_the_others_leave_it() {
    let nothing: &[Capability] = &[];
    for (name, without, by_device, isolated) in [
        ("connectx5", nothing, true, true),
        ("connectx5", &[Capability::FlowIsolation], true, false),
        ("connectx5", &[Capability::FlowCount], false, false),
        ("e810", nothing, true, false),
        ("bnxt", nothing, true, false),
        ("82599", nothing, true, false),
        // It has one priority, and of these rules some are to win over others.
        ("sfc-x2", nothing, false, false),
        ("82576", nothing, false, false),
        ("virtio", nothing, false, false),
    ] {
        let (bench, cases) = bench_without(without, name);
        let counters = comes_to(&bench, &cases[0], SEED).ours.counters;
        let expected = |by_device: bool| if by_device { [0, 5] } else { [5, 0] };
        for (host, device) in
            [("flow_dropped", "rx_flow_dropped"), ("flow_other_queue", "rx_flow_other_queue")]
        {
            let found = [host, device].map(|name| counters.of(name));
            assert_eq!(found, expected(by_device), "{name}: {device}");
        }
        let found = ["ipv4_not_for_us", "rx_flow_not_ours"].map(|name| counters.of(name));
        assert_eq!(found, expected(isolated), "{name}: isolation");
    }
}

#[test]
fn whatever_a_profile_requires_a_device_that_does_it_trades_and_one_that_does_not_is_refused() {
    let (mut refused, mut traded) = (0, 0);
    let required = Capability::ALL.into_iter().filter(|capability| {
        let is_flow = capability.name().starts_with("flow_");
        is_flow || capability.is_on_the_data_path()
    });
    for capability in required {
        for name in ["connectx5", "x710"] {
            let model = Model::named(name).unwrap();
            let profile = Profile::all(Policy::Prefer).with(capability, Policy::Require);
            let (bench, mut cases) = Bench::new(model, profile, &[], true).unwrap();
            // One way to speak: what the device has is what differs.
            cases.retain(|case| {
                case.speech == Speech::Truthful(VerdictStyle::GoodOrBad) && case.line == Line::Clean
            });
            for case in cases {
                match bench.tries(&case, SEED) {
                    Ok(true) => traded += 1,
                    Ok(false) => refused += 1,
                    Err(why) => panic!("{name} requiring {capability}: {case}: {why}"),
                }
            }
        }
    }
    assert!(traded > 0 && refused > 0, "{traded} traded, {refused} were refused");
}
