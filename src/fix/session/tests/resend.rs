//! What was kept goes again: by whatever settings it was written, as far as it can be sent and read.

use super::*;

/// Goes on with what the session has kept, by other settings.
fn go_on(rig: &mut Rig, adjust: impl FnOnce(&mut SessionConfig)) {
    let mut config = rig.session.config().clone();
    adjust(&mut config);
    rig.disconnect();
    rig.session = Session::new(config, rig.session.store().clone());
    rig.connect();
}

#[test]
fn what_was_kept_before_a_setting_of_headers_changed_goes_again_whole() {
    let processed = |config: &mut SessionConfig| config.last_msg_seq_num_processed = true;
    let sub_id = |config: &mut SessionConfig| {
        config.target_sub_ids.sub_id = CompId::new("ALGO");
        config.sender_sub_ids.location_id = CompId::new("LDN");
    };
    let plain = |config: &mut SessionConfig| {
        config.last_msg_seq_num_processed = false;
        (config.target_sub_ids, config.sender_sub_ids) = Default::default();
    };
    type Adjust<'a> = &'a dyn Fn(&mut SessionConfig);
    let theirs = "50=ALGO | 143=LDN | ";
    for (before, after, said, expected) in [
        (&plain as Adjust<'_>, &plain as Adjust<'_>, ["", ""], "122=T | 11=a"),
        (&plain, &processed, ["", ""], "122=T | 369=4 | 11=a"),
        (&processed, &plain, ["", ""], "122=T | 11=a"),
        (&processed, &processed, ["", ""], "122=T | 369=4 | 11=a"),
        (&plain, &sub_id, ["", theirs], "57=ALGO | 142=LDN | 122=T | 11=a"),
        (&sub_id, &sub_id, [theirs, theirs], "57=ALGO | 142=LDN | 122=T | 11=a"),
        (&sub_id, &plain, [theirs, ""], "122=T | 57=ALGO | 142=LDN | 11=a"),
        (&sub_id, &processed, [theirs, theirs], "57=ALGO | 142=LDN | 122=T | 369=4 | 11=a"),
    ] {
        let mut rig = Rig::new(Role::Acceptor, before);
        let [before, after_it] = said;
        for line in [format!("A 1 | {before}98=0 | 108=30"), format!("D 2 | {before}11=a")] {
            let bytes = rig.message(&line);
            rig.receive(&bytes);
        }
        go_on(&mut rig, after);
        let logon = rig.message(&format!("A 3 | {after_it}98=0 | 108=30"));
        rig.receive(&logon);
        rig.pipe.sent.clear();
        let request = rig.message(&format!("2 4 | {after_it}7=2 | 16=2"));
        rig.receive(&request);
        assert_eq!(rig.next_sent(), format!("8 2 | 43=Y | {expected}"));
    }
}

/// What an application puts first stays, even where it is a field of the header.
#[test]
fn a_field_of_the_header_that_the_application_wrote_goes_again() {
    let mut rig = acceptor();
    let sent = rig.session.send(at_ms(rig.ms), &mut rig.pipe, b"8", |encoder| {
        encoder.put_str(57, "DESK").put_str(115, "X").put_str(50, "TRADER").put_str(11, "a");
    });
    assert_eq!(sent, Ok(2));
    rig.play(
        "> 8 2 | 57=DESK | 115=X | 50=TRADER | 11=a
         < 2 2 | 7=2 | 16=2
         > 8 2 | 43=Y | 122=T | 57=DESK | 115=X | 50=TRADER | 11=a",
    );
}
