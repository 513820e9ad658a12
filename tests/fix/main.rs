//! A session held to scripts, a test for each and each version that it is written for: `NAME.fix` says what comes, what
//! must leave and how it stands. The grammar is taught in `docs/fix-scripts.md`; a script that fails names its line, what
//! was expected and what came of it. Each is played twice: with whole messages, and a byte at a time.

mod message;
mod play;
mod script;
mod settings;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use play::Pieces;

/// What names a script: the scenario, and then the outcome.
const SCENARIOS: [&str; 14] = [
    "logon-",
    "logout-",
    "number-",
    "possible-duplicate-",
    "gap-",
    "resend-",
    "reset-",
    "next-expected-",
    "processed-",
    "heartbeat-",
    "refusal-",
    "restart-",
    "room-",
    "schedule-",
];

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fix");
    let scripts = scripts(&folder);
    let count = scripts.len();
    let mut trials: Vec<Trial> = scripts.iter().flat_map(|path| trials_of(path)).collect();
    trials.push(Trial::test("there_are_scripts", move || {
        if count >= 60 { Ok(()) } else { Err(Failed::from(format!("only {count}"))) }
    }));
    trials.push(Trial::test("each_mistake_in_a_script_is_named_with_its_line", mistakes));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of scripts");
    let mut scripts: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "fix"))
        .collect();
    scripts.sort();
    for script in &scripts {
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        let is_named = SCENARIOS.iter().any(|scenario| name.starts_with(scenario));
        assert!(is_named, "{name} names no scenario");
    }
    scripts
}

/// One for each version.
fn trials_of(path: &Path) -> Vec<Trial> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let script = match script::read(path) {
        Ok(script) => script,
        Err(why) => return vec![Trial::test(name, move || Err(why.into()))],
    };
    let trial = |version: &fixwire::fix::Version| {
        let (version, script) = (*version, script.clone());
        Trial::test(format!("{name}:{}", version.begin_string()), move || {
            for pieces in [Pieces::Whole, Pieces::Bytes] {
                play::play(&script, version, pieces)?;
            }
            Ok(())
        })
    };
    script.versions.iter().map(trial).collect()
}

/// Scripts that are wrong, and what is said of each.
fn mistakes() -> Result<(), Failed> {
    let logon = "connect\n< A 1 | 98=0 | 108=30\n> A 1 | 98=0 | 108=30\n";
    for (text, said) in [
        ("dance", "x.fix:1: `dance` is nothing that happens"),
        ("set speed 9", "x.fix:1: `speed` is no setting"),
        ("set heart_bt_int soon", "x.fix:1: `soon` is no value for heart_bt_int"),
        ("connect\nset role initiator", "x.fix:2: settings come before what happens"),
        ("versions FIX.9", "x.fix:1: `FIX.9` is no version"),
        ("< D", "x.fix:1: a message wants a type and a number"),
        ("~ soon", "x.fix:1: `soon` is no time"),
        ("? weather fine", "x.fix:1: `weather` is nothing that can be looked at"),
        ("! dance", "x.fix:1: `dance` is no call"),
        ("connect\n> A 1", "x.fix:2: expected `A 1`, nothing has left"),
        (&format!("{logon}> 0 2"), "x.fix:4: expected `0 2`, nothing has left"),
        (
            &format!("{logon}< 1 2 | 112=X\n> 0 2"),
            "x.fix:5: expected `0 2`, `0 2 | 112=X` has left",
        ),
        (
            &format!("{logon}< 1 2 | 112=X\n> -"),
            "x.fix:5: expected nothing, `0 2 | 112=X` has left",
        ),
        (&format!("{logon}< 1 2 | 112=X"), "x.fix: at the end, `0 2 | 112=X` has left"),
        (
            &format!("{logon}x close_logon_timeout"),
            "x.fix:4: expected `close_logon_timeout`, found `open`",
        ),
        (&format!("{logon}~ 3600"), "x.fix: at the end, `0 2` has left"),
        (&format!("{logon}< D 1 | 11=a"), "x.fix: at the end, "),
        (&format!("{logon}? next_in 9"), "x.fix:4: expected `9`, found `2`"),
        (&format!("{logon}? count nothing 1"), "x.fix:4: `nothing` is no counter"),
    ] {
        let version = fixwire::fix::Version::Fix44;
        let ended = script::parse("x.fix", text)
            .and_then(|script| play::play(&script, version, Pieces::Whole));
        match ended {
            Err(why) if why.starts_with(said) => {}
            ended => return Err(format!("{text:?}: {ended:?}, not {said:?}").into()),
        }
    }
    Ok(())
}
