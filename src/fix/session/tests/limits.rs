//! How long a message may be, and of how many fields, is the session's own to say.

use super::*;

fn with(adjust: impl FnOnce(&mut SessionConfig)) -> Rig {
    let mut rig = Rig::new(Role::Acceptor, adjust);
    rig.play(LOGON);
    rig
}

/// An order with so many fields, framing included.
fn order_of(rig: &Rig, seq: u32, fields: usize) -> Vec<u8> {
    // Those of the framing and the header, and ClOrdID.
    let more = " | 1=x".repeat(fields - 9);
    rig.message(&format!("D {seq} | 11=a{more}"))
}

#[test]
fn a_message_has_as_many_fields_as_the_session_says_and_no_more() {
    for fields_max in [12, 254, 255, 256, 257, 1_000] {
        let mut rig = with(|config| config.message_fields_max = fields_max);
        for (seq, fields) in [(2, fields_max), (3, fields_max - 1), (4, fields_max)] {
            let order = order_of(&rig, seq, fields);
            rig.receive(&order);
            rig.play(&format!("> 8 {seq} | 11=a"));
        }
        let order = order_of(&rig, 5, fields_max + 1);
        rig.receive(&order);
        rig.play("> nothing");
        assert_eq!(rig.session.counters().of_garbled(Garbled::FieldsTooMany), 1, "{fields_max}");
    }
    assert_eq!(
        SessionConfig::new(Version::Fix44, Role::Acceptor, id("A"), id("B")).message_fields_max,
        256
    );
}

fn id(text: &str) -> CompId {
    CompId::new(text).unwrap()
}

#[test]
fn a_message_is_as_long_as_the_session_says_and_no_longer() {
    for bytes_max in [1_024, 16_384, 16_385, 100_000] {
        let mut rig = with(|config| config.message_bytes_max = bytes_max);
        let order_of = |rig: &Rig, seq: u32, len: usize| {
            let shortest = rig.message(&format!("D {seq} | 11=a | 58=x")).len();
            // BodyLength may take up more digits.
            let texts = (0..4).map(|digits| "x".repeat(len - shortest + 1 - digits));
            let orders = texts.map(|text| rig.message(&format!("D {seq} | 11=a | 58={text}")));
            orders.into_iter().find(|order| order.len() == len).unwrap()
        };
        let order = order_of(&rig, 2, bytes_max);
        rig.receive(&order);
        rig.play("> 8 2 | 11=a");
        let order = order_of(&rig, 3, bytes_max);
        order.chunks(1_000).for_each(|piece| rig.receive(piece));
        rig.play("> 8 3 | 11=a");
        let order = order_of(&rig, 4, bytes_max + 1);
        rig.receive(&order);
        rig.play("> nothing");
        let counters = rig.session.counters();
        assert_eq!(counters.of_garbled(Garbled::BodyLengthTooLong), 1, "{bytes_max}");
    }
}
