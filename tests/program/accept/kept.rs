//! An acceptor with a store in a file, killed while it serves.

use super::*;

#[test]
fn an_acceptor_that_is_killed_goes_on_with_its_numbers_and_sends_again_what_it_sent() {
    inside(
        "accept::kept::an_acceptor_that_is_killed_goes_on_with_its_numbers_and_sends_again_what_it_sent",
        || {
            const ORDERS: u32 = 20;
            let folder = tempfile::tempdir().unwrap();
            let sessions = "target_comp_id = \"A\"\nstore = { path = \"stores\", size_mib = 1 }\n";
            let (mut next_out, mut next_in) = (1, 1);
            for ended in ["new", "killed", "killed"] {
                let mut acceptor = accept(folder.path(), sessions, &[]);
                let event = acceptor.event_of("resumed");
                assert_eq!(
                    (&event["ended"], &event["proven"]),
                    (&ended.into(), &true.into()),
                    "{event}"
                );
                let numbers = (&event["next_out"], &event["next_in"]);
                assert_eq!(numbers, (&next_out.into(), &next_in.into()), "{event}");
                let mut client = Client::connect(at(9878), "FIX.4.4", "A", "EXCHANGE");
                client.next_out = next_in;
                let mut client = client.log_on("");
                next_in += 1;
                if ended == "killed" {
                    client.send("2", "7=1|16=2|");
                    next_in += 1;
                    let gap = client.next();
                    assert!(gap.starts_with("4 1|") && gap.contains("|36=2|"), "{gap}");
                    let again = client.next();
                    assert!(again.starts_with("D 2|") && again.contains("|11=0|"), "{again}");
                    assert!(again.contains("|43=Y|"), "{again}");
                }
                for order in 0..ORDERS {
                    client.send("D", &format!("11={order}|55=X|54=1|38=1|40=1|"));
                    assert!(
                        client.next().starts_with(&format!("D {}|", next_out + 1 + order)),
                        "{order}"
                    );
                }
                (next_out, next_in) = (next_out + 1 + ORDERS, next_in + ORDERS);
                acceptor.signal("KILL");
                assert_eq!(acceptor.wait().code, None, "it was killed");
            }
        },
    );
}
