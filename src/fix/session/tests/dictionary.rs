//! A session that holds what comes in against a dictionary.

use std::sync::Arc;

use super::*;
use crate::fix::dictionary::tests::{message, spec};
use crate::fix::dictionary::{Checks, Dictionary, Part, Validation};

fn validated() -> Rig {
    let mut spec = spec();
    let parts = [98, 108].map(|tag| Part { tag, required: true, group: None }).to_vec();
    spec.messages.push(message("A", parts));
    let dictionary = Arc::new(Dictionary::compile(&spec).unwrap());
    let checks = Checks { allow_unknown_msg_fields: false, ..Checks::default() };
    let validation = Validation::of(dictionary, checks);
    Rig::new(Role::Acceptor, |config| config.validation = Some(validation))
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

#[test]
fn a_logon_that_does_not_conform_begins_nothing() {
    validated().play("< A 1 | 98=0 | 108=30 | 58=t\nx close_logon_invalid");
}

#[test]
fn a_message_of_a_shape_that_was_found_right_is_still_held_against_the_dictionary() {
    let mut rig = validated();
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
