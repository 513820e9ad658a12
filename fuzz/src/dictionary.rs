//! Any bytes are a data dictionary: it is refused by a line and a reason, or it judges messages, twice alike.

use std::sync::Arc;

use fixwire::fix::Decoder;
use fixwire::fix::dictionary::{Checks, Dictionary, Validation, Validator, read_xml};

const PATH: &str = "ANY.xml";
/// Held against each that can be read, `|` for SOH.
const MESSAGES: [&str; 4] = [
    "35=0|34=2|49=A|52=20260102-03:04:05|56=B|",
    "35=D|34=2|49=A|52=20260102-03:04:05|56=B|11=X|38=1|40=2|44=1.5|54=1|55=S|59=0|60=20260102-03:04:05|",
    "35=D|34=2|49=A|52=20260102-03:04:05|56=B|78=2|79=X|80=1|79=Y|80=2|5001=own|",
    "35=B|34=2|49=A|52=20260102-03:04:05|56=B|33=1|58=x|95=3|96=a|b|",
];

/// Reads `bytes` as a dictionary in QuickFIX's XML form.
pub fn play(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count().max(1);
    let spec = match read_xml(PATH, &text) {
        Ok(spec) => spec,
        Err(error) => {
            let said = error.to_string();
            let rest = said.strip_prefix(&format!("{PATH}:")).expect("it names the file");
            let (line, why) = rest.split_once(':').expect("and the line");
            let line: usize = line.parse().expect("which is a number");
            assert!((1..=lines + 1).contains(&line) && !why.trim().is_empty(), "{said}");
            return;
        }
    };
    let validator = || {
        let dictionary = Dictionary::compile(&spec).ok()?;
        Some(Validator::new(Validation::of(Arc::new(dictionary), Checks::default())))
    };
    let (Some(mut one), Some(mut other)) = (validator(), validator()) else {
        assert!(validator().is_none(), "it is compiled at one time, and not at another");
        return;
    };
    let mut decoder = Decoder::default();
    for body in MESSAGES {
        let text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
        let sum = text.bytes().fold(0u8, u8::wrapping_add);
        let message = format!("{text}10={sum:03}\x01");
        let Ok(message) = decoder.parse(message.as_bytes()) else { continue };
        let first = one.check(&message);
        for _ in 0..2 {
            assert_eq!(first, other.check(&message), "{body}");
        }
    }
}
