//! What our device says of sums while the relay damages frames: whatever it is, no byte comes altered, and nothing that
//! is right is refused.

use fixwire::offload::capability::Capability;
use fixwire::time::Duration;

use crate::common::inside::inside;
use crate::end::word::{WORDS, Word};
use crate::host::Host;
use crate::relay::Faults;
use crate::{Line, fast};

const CLEAN: Faults = Faults {
    loss_percent: 0,
    repeat_percent: 0,
    corrupt_percent: 0,
    mark_percent: 0,
    delay: Duration::from_us(100),
    jitter: Duration::ZERO,
    burst_frames: 0,
    seed: 5,
};
/// At first nothing is damaged: a device passes its proof, and is believed from then on.
const PROOF_BYTES: usize = 100_000;
const BYTES: usize = 320_000;
/// Which frames are damaged, and what is said of them, is chance: of a device that says anything of anything, one damaged frame in
/// twelve is called right. It is not found out with a chance of (11/12)^17 in one round, and of 4 in 10^7 in so many.
const ROUNDS: usize = 10;

#[test]
fn damaged_frames_are_found_whatever_the_device_says_of_them() {
    inside("sums::damaged_frames_are_found_whatever_the_device_says_of_them", || {
        for word in WORDS {
            let host = Host::new(fast(), CLEAN);
            let mut line = Line::by_route(host, "10.9.0.0/24 dev fwg0 src 10.9.0.1 rto_min 10ms");
            line.host.speaks(word);
            line.bulk(PROOF_BYTES);
            assert_eq!(line.host.refused, 0, "{word:?}");
            line.host.set_faults(Faults { corrupt_percent: 10, ..CLEAN });
            for round in 1..=ROUNDS {
                line.bulk(round * BYTES);
                if has_shown_itself(word, &line) {
                    break;
                }
            }
            check(word, &line);
            line.host.set_faults(CLEAN);
            line.close();
        }
    });
}

/// Whether frames enough were damaged, and a device that is to be found out said one of them to be right.
fn has_shown_itself(word: Word, line: &Line) -> bool {
    let lied = line.host.verifier.counters().nic_said_good_but_bad;
    let is_liar = matches!(word, Word::Vouching | Word::Babbling | Word::Unaudited(_));
    line.host.harmed()[1] > 10 && (lied > 0 || line.host.deceived > 0 || !is_liar)
}

fn check(word: Word, line: &Line) {
    let counters = line.host.verifier.counters();
    let (refused, deceived) = (line.host.refused, line.host.deceived);
    let story = format!("{word:?}: {refused} refused, {deceived} believed, {counters:?}");
    println!("{story}");
    assert!(line.host.harmed()[1] > 10, "{story}");
    let is_believed = line.host.verifier.trusts(Capability::RxTcpChecksum);
    let lied = counters.nic_said_good_but_bad;
    match word {
        Word::Silent => assert!(counters.rx_checksum_trusted == 0 && refused > 0, "{story}"),
        Word::Right => {
            assert!(counters.rx_checksum_trusted > 0 && refused > 0, "{story}");
            assert!(is_believed && lied == 0, "{story}");
        }
        Word::Alarmed => {
            assert!(is_believed && counters.nic_said_bad_but_good > 0 && refused > 0, "{story}");
        }
        Word::Vouching | Word::Babbling => {
            assert!(!is_believed && lied > 0 && deceived == 0 && refused > 0, "{story}");
        }
        // How many are believed before one is looked at is chance, within a bound that the host holds it to.
        Word::Unaudited(_) => assert!(!is_believed && lied > 0 || deceived > 0, "{story}"),
        Word::Local => assert!(counters.rx_checksum_partial > 0 && refused > 0, "{story}"),
    }
}
