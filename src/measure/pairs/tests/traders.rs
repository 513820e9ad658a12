//! Whose orders are measured.

use super::*;

/// Both ends of a connection send orders: one of ours with a trigger, two of theirs, of which the second has one.
fn both_trade(roles: Roles) -> Line {
    let mut line = Line::of(roles);
    for (side, ns, body) in [
        (THEM, 10, "B|58=X|"),
        (US, 10, "D|11=O1|"),
        (THEM, 30, "8|11=O1|"),
        (US, 30, "B|58=X|"),
        (THEM, 11, "D|11=O1|"),
        (US, 1_000_000, "8|11=O1|"),
        (THEM, 12, "D|11=O2|"),
        (US, 40, "8|11=O2|"),
    ] {
        line.says(side, ns, body);
    }
    line
}

/// The triggers and the answers that there are.
fn pairs(line: &Line) -> (Vec<i128>, Vec<i128>) {
    let triggers = line.told.iter().filter_map(|said| said.trigger.and_then(Result::ok));
    let answers = line.told.iter().filter_map(|said| said.order.and_then(Result::ok));
    (triggers.collect(), answers.collect())
}

#[test]
fn orders_of_others_than_those_that_were_asked_for_are_counted_and_in_no_figure() {
    let everybody = both_trade(Roles::default());
    let counts = everybody.matcher.counts();
    let ends = counts.both_trade.unwrap().map(|end| end.to_string());
    assert_eq!(ends, ["10.9.0.1:9878", "10.9.0.2:40000"]);
    let all = (vec![10, 12], vec![30, 1_000_000, 40]);
    assert_eq!((pairs(&everybody), counts.of_others), (all.clone(), 0));
    let (ours, theirs) = ((vec![10], vec![30]), (vec![12], vec![1_000_000, 40]));
    for (traders, expected, of_others) in [
        (&["10.9.0.2"][..], &ours, 2),
        (&["10.9.0.2:40000"], &ours, 2),
        (&["10.9.0.1:9878"], &theirs, 1),
        (&["10.9.0.1:40000"], &(vec![], vec![]), 3),
        (&["10.9.0.2", "10.9.0.1"], &all, 0),
    ] {
        let roles = Roles::default().of(traders.iter().map(|trader| trader.parse().unwrap()));
        let line = both_trade(roles);
        let counts = line.matcher.counts();
        assert_eq!((&pairs(&line), counts.of_others), (expected, of_others), "{traders:?}");
        assert_eq!(counts.both_trade.is_some(), traders.len() == 2, "{traders:?}");
        // An answer to another's order is none of ours that is too much.
        let is_too_much = |said: &Said| said.order == Some(Err(Reason::NoOrder));
        assert!(!line.told.iter().any(is_too_much), "{traders:?}: {:?}", line.told);
        assert_eq!(line.matcher.unanswered(), 0, "{traders:?}");
    }
}

#[test]
fn a_trader_is_an_address_or_one_port_of_it() {
    for text in ["10.9.0.2", "10.9.0.2:0", "10.9.0.2:65535"] {
        assert_eq!(text.parse::<Trader>().unwrap().to_string(), text);
    }
    for (text, why) in [
        ("", "write an IPv4 address"),
        ("10.9.0", "write an IPv4 address"),
        ("::1", "the port is a number"),
        ("10.9.0.2:", "the port is a number"),
        ("10.9.0.2:65536", "the port is a number"),
    ] {
        assert!(text.parse::<Trader>().unwrap_err().starts_with(why), "{text}");
    }
}
