//! A session that holds what comes in against a dictionary.

use std::sync::Arc;

use super::*;
use crate::fix::dictionary::tests::{message, spec};
use crate::fix::dictionary::{Checks, Dictionary, Part, Spec, Validation};

/// An order has ClOrdID and OrderQty, and Side is 1 or 2.
pub(super) fn validation() -> Validation {
    let mut spec = spec();
    let parts = [98, 108].map(|tag| Part { tag, required: true, group: None }).to_vec();
    spec.messages.push(message("A", parts));
    let dictionary = Arc::new(Dictionary::compile(&spec).unwrap());
    let checks = Checks { allow_unknown_msg_fields: false, ..Checks::default() };
    Validation::of(dictionary, checks)
}

fn validated() -> Rig {
    Rig::new(Role::Acceptor, |config| config.validation = Some(validation()))
}

#[test]
fn what_does_not_conform_is_rejected_and_its_number_consumed() {
    let script = "< A 1 | 98=0 | 108=30
                  > A 1 | 98=0 | 108=30
                  < D 2 | 11=a
                  > 3 2 | 45=2 | 58=Required tag missing | 371=38 | 372=D | 373=1
                  < 0 3 | 11=a
                  > 3 3 | 45=3 | 58=Tag not defined for this message type | 371=11 | 372=0 | 373=2
                  < Z 4
                  > 3 4 | 45=4 | 58=Invalid MsgType | 372=Z | 373=11
                  < D 5 | 11=b | 38=1
                  > 8 5 | 11=b";
    assert_eq!(validated().play(script).desk.delivered, ["b"]);
}

/// FIXT with dictionaries for 5.0 SP2, in which an order has ClOrdID alone, and for 4.4.
fn of_fixt() -> Rig {
    let field = |tag, required| Part { tag, required, group: None };
    let mut transport = spec();
    transport.messages = vec![
        message("A", [98, 108, 1137].map(|tag| field(tag, true)).to_vec()),
        message("0", vec![]),
    ];
    transport.header.push(field(1128, false));
    let version = |parts| {
        let application = Spec { messages: vec![message("D", parts)], ..spec() };
        Arc::new(Dictionary::compile(&application.over(transport.clone())).unwrap())
    };
    let newer = version(vec![field(11, true)]);
    let older = version(vec![field(11, true), field(38, true)]);
    let by_version = vec![(ApplVerId::Fix50Sp2, Arc::clone(&newer)), (ApplVerId::Fix44, older)];
    let checks = Checks { user_defined_fields: false, ..Checks::default() };
    let validation = Validation { dictionary: newer, by_version, checks };
    Rig::new(Role::Acceptor, |config| {
        config.version = Version::Fixt11(ApplVerId::Fix50Sp2);
        config.validation = Some(validation);
    })
}

#[test]
fn a_message_of_fixt_is_held_to_its_own_version_or_its_sender_s() {
    let logon = |version| {
        format!("< A 1 | 98=0 | 108=30 | 1137={version}\n> A 1 | 98=0 | 108=30 | 1137=9\n")
    };
    let table = [
        ("9", "< D 2 | 11=a\n> 8 2 | 11=a"),
        ("9", "< D 2 | 1128=9 | 11=a\n> 8 2 | 11=a"),
        (
            "9",
            "< D 2 | 1128=6 | 11=a\n> 3 2 | 45=2 | 58=Required tag missing | 371=38 | 372=D | 373=1",
        ),
        ("9", "< D 2 | 1128=6 | 11=a | 38=1\n> 8 2 | 11=a"),
        ("6", "< D 2 | 11=a\n> 3 2 | 45=2 | 58=Required tag missing | 371=38 | 372=D | 373=1"),
        ("6", "< D 2 | 1128=9 | 11=a\n> 8 2 | 11=a"),
    ];
    for (version, script) in table {
        of_fixt().play(&(logon(version) + script));
    }
    // The session's own messages are the transport's, whichever version they bear.
    for version in ["9", "6", "7", "99"] {
        let script = format!("< 0 2 | 1128={version}\n< D 3 | 11=a\n> 8 2 | 11=a");
        of_fixt().play(&(logon("9") + &script));
    }
    // Of a version without a dictionary nothing is taken but the session's own.
    of_fixt().play(&(logon("7") + "< 0 2\n< D 3 | 11=a
        > 3 2 | 45=3 | 58=Value is incorrect (out of range) for this tag | 371=1128 | 372=D | 373=5"));
    of_fixt().play(&(logon("9") + "< D 2 | 1128=7 | 11=a
        > 3 2 | 45=2 | 58=Value is incorrect (out of range) for this tag | 371=1128 | 372=D | 373=5"));
}

#[test]
fn what_a_dictionary_s_rules_let_pass_is_delivered() {
    let lenient = |checks: Checks| {
        let mut rig = validated();
        let validation = rig.session.config().validation.clone().unwrap();
        rig = Rig::new(Role::Acceptor, |config| {
            config.validation = Some(Validation { checks, ..validation });
        });
        rig.play("< A 1 | 98=0 | 108=30\n> A 1 | 98=0 | 108=30");
        rig
    };
    let all = Checks::default();
    let empty = "< D 2 | 11=a | 38=1 | 58=\n";
    lenient(all).play(
        &(empty.to_owned()
            + "> 3 2 | 45=2 | 58=Tag specified without a value | 371=58 | 372=D | 373=4"),
    );
    lenient(Checks { fields_have_values: false, ..all }).play(&(empty.to_owned() + "> 8 2 | 11=a"));
    // 93 is the trailer's in that dictionary, and 50 is nowhere in it.
    let out_of_order = "< D 2 | 11=a | 38=1 | 50=late\n";
    lenient(all).play(
        &(out_of_order.to_owned()
            + "> 3 2 | 45=2 | 58=Tag specified out of required order | 371=50 | 372=D | 373=14"),
    );
    let checks = Checks { fields_out_of_order: false, allow_unknown_msg_fields: true, ..all };
    lenient(checks).play(&(out_of_order.to_owned() + "> 8 2 | 11=a"));
}

#[test]
fn a_header_has_the_fields_that_its_dictionary_has_there_wherever_they_stand_in_it() {
    let field = |tag| Part { tag, required: false, group: None };
    let mut spec = spec();
    let logon = [98, 108].map(field).to_vec();
    spec.messages.push(message("A", logon));
    spec.header.insert(4, field(9700));
    spec.header.push(Part { group: Some(Arc::new(vec![field(628), field(9701)])), ..field(627) });
    let dictionary = Arc::new(Dictionary::compile(&spec).unwrap());
    let checks = Checks { user_defined_fields: false, ..Checks::default() };
    let mut rig = Rig::new(Role::Acceptor, |config| {
        config.validation = Some(Validation::of(dictionary, checks));
    });
    rig.play(
        "< A 1 | 34=1|9700=x | 98=0 | 108=30
         > A 1 | 98=0 | 108=30
         < D 2 | 34=2|9700=x | 11=a | 38=1
         > 8 2 | 11=a
         < D 3 | 34=3|627=2|628=HUB|9701=y|628=RING | 11=b | 38=1
         > 8 3 | 11=b
         < D 4 | 11=c | 38=1 | 9700=late
         > 3 4 | 45=4 | 58=Tag specified out of required order | 371=9700 | 372=D | 373=14
         < D 5 | 34=5|9700=x|9700=y | 11=d | 38=1
         > 3 5 | 45=5 | 58=Tag appears more than once | 371=9700 | 372=D | 373=13
         < D 6 | 34=6|9702=x | 11=e | 38=1
         > 3 6 | 45=6 | 58=Tag specified out of required order | 371=49 | 372=D | 373=14",
    );
    assert_eq!(rig.desk.delivered, ["a", "b"]);
}

#[test]
fn a_logon_that_does_not_conform_begins_nothing() {
    validated().play("< A 1 | 98=0 | 108=30 | 58=t\nx close_logon_invalid");
}

#[test]
fn a_message_of_a_shape_that_was_found_right_is_still_held_against_the_dictionary() {
    let mut rig = validated();
    rig.stays = true;
    rig.play("< A 1 | 98=0 | 108=30\n> A 1 | 98=0 | 108=30");
    for seq in 2..9 {
        rig.play(&format!("< D {seq} | 11=b | 38=1 | 54=2\n> 8 {seq} | 11=b"));
    }
    rig.play(
        "< D 9 | 11=b | 38=1 | 54=7
         > 3 9 | 45=9 | 58=Value is incorrect (out of range) for this tag | 371=54 | 372=D | 373=5
         < D 10 | 11=c | 38=1 | 54=1\n> 8 10 | 11=c",
    );
}

#[test]
fn what_does_not_conform_is_delivered_and_counted_where_it_is_not_rejected() {
    let validation = validated().session.config().validation.clone();
    let mut rig = Rig::new(Role::Acceptor, |config| {
        config.validation = validation;
        config.reject_invalid = false;
    });
    rig.play(
        "< A 1 | 98=0 | 108=30 | 58=t
         > A 1 | 98=0 | 108=30
         < D 2 | 11=a
         > 8 2 | 11=a
         < 0 3 | 11=a
         < D 4 | 11=b | 38=1
         > 8 3 | 11=b",
    );
    assert_eq!(rig.desk.delivered, ["a", "b"]);
    // The Logon, the order without its quantity, and the Heartbeat with an order's field.
    assert!(rig.session.counters().of(Event::InvalidDelivered) >= 3);
}
