//! Our TCP held to scripts, one test each: `NAME.tcp` says what comes, what must leave and when. The grammar is
//! taught in `docs/tcp-scripts.md`; a script that fails names its line, what came and what was expected.

mod counts;
mod look;
mod parse;
mod play;
mod segments;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

/// What names a script: the document and the clause that it holds us to, and then the outcome.
const DOCUMENTS: [&str; 4] = ["rfc", "limit-", "wire-", "account-"];

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tcp");
    let scripts = scripts(&folder);
    let count = scripts.len();
    let mut trials: Vec<Trial> = scripts
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Trial::test(name, move || Ok(play::play(&parse::read(&path)?)?))
        })
        .collect();
    trials.push(Trial::test("there_are_scripts", move || {
        if count >= 300 { Ok(()) } else { Err(Failed::from(format!("only {count}"))) }
    }));
    trials.push(Trial::test("each_mistake_in_a_script_is_named_with_its_line", mistakes));
    trials.push(Trial::test("each_counter_is_held_to", counts::each_is_held_to));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of scripts");
    let mut scripts: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tcp"))
        .collect();
    scripts.sort();
    for script in &scripts {
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        let is_named = DOCUMENTS.iter().any(|document| name.starts_with(document));
        assert!(is_named, "{name} names no document");
    }
    scripts
}

/// Scripts that are wrong, and what is said of each.
fn mistakes() -> Result<(), Failed> {
    let accepted = "0 ! listen\n0 < S 0:0(0) win 10000 mss 1000\n0 > S. 0:0(0) ack 1\n";
    let connected = &format!("{accepted}0 < . 1:1(0) ack 1\n");
    for (script, said) in [
        ("soon ! listen", "x.tcp:1: `soon` is no time"),
        ("0 ! listen\n0 * what", "x.tcp:2: `*` is none of < > = ! ?"),
        ("5 ! listen\n4 ! listen", "x.tcp:2: 4 lies before the line ahead of it"),
        ("0 < S 0:5(0)", "x.tcp:1: `0:5(0)` does not add up"),
        ("0 < Q 0:0(0)", "x.tcp:1: `Q` is no flag"),
        ("0 < S 0:0(0) window 4", "x.tcp:1: `window` is no field of a segment that comes"),
        ("0 > S 0:0(0) ce", "x.tcp:1: `ce` is no field of a segment that leaves"),
        ("0 < S 0:0(0) win", "x.tcp:1: `win` wants a value"),
        ("0 < S 0:0(0) win 65536", "x.tcp:1: `65536` is no number for win"),
        ("0 ! dance", "x.tcp:1: `dance` is no call"),
        ("0 ? weather fine", "x.tcp:1: `weather` is nothing that can be looked at"),
        ("0 = Surprised", "x.tcp:1: `Surprised` is no event"),
        ("set speed 9", "x.tcp:1: `speed` is no setting"),
        ("set mss many", "x.tcp:1: `many` is no value for mss"),
        ("0 ! listen\nset mss 9", "x.tcp:2: settings come before the first time"),
        ("begin nowhere", "x.tcp:1: nowhere.begin: "),
        ("0 > S 0:0(0)", "x.tcp:1: expected `S 0:0(0)`, nothing has left"),
        ("0 ! listen refused EndpointInUse", "x.tcp:1: it was not refused"),
        ("0 ! connect\n0 > -", "x.tcp:2: expected nothing, at 0 ms left `S 0:0(0) "),
        ("0 ! connect", "x.tcp: at the end, at 0 ms left `S 0:0(0) "),
        ("0 ! connect\n1 > S 0:0(0)", "x.tcp:2: expected `S 0:0(0)`, at 0 ms left `S 0:0(0) "),
        ("0 ! connect\n0 > S 0:0(0) no mss", "x.tcp:2: expected `S 0:0(0) no mss`, at 0 ms left "),
        (&format!("{accepted}0 ? state Closed"), "x.tcp:4: expected `Closed`, found `SynReceived`"),
        (&format!("{accepted}0 = Connected"), "x.tcp:4: expected `Connected`, found `-`"),
        (connected, "x.tcp: at the end, at 0 ms was told `Connected`"),
        (&format!("{connected}0 < . 1:1(0) ack 1"), "x.tcp:5: at 0 ms was told `Connected`"),
        (&format!("{connected}0 ! shutdown"), "x.tcp:5: at 0 ms was told `Connected`"),
        (
            &format!("{connected}1 = Connected"),
            "x.tcp:5: expected `Connected`, found `Connected at 0 ms`",
        ),
        (&format!("{connected}0 = -"), "x.tcp:5: expected `-`, found `Connected`"),
        (&format!("{accepted}0 ? count tcp_nothing 1"), "x.tcp:4: tcp_nothing is no counter"),
        ("0 ? count tcp_segment_in 1", "x.tcp:1: expected `1`, found `0`"),
        (
            "0 < bytes 1388 refused tcp_port_zero",
            "x.tcp:1: expected `tcp_port_zero`, found `tcp_too_short`",
        ),
    ] {
        let ended = parse::parse("x.tcp", script).and_then(|script| play::play(&script));
        match ended {
            Err(why) if why.starts_with(said) => {}
            ended => return Err(format!("{script:?}: {ended:?}, not {said:?}").into()),
        }
    }
    Ok(())
}
