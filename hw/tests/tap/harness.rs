//! A test runner for tests that each need a process with one thread: it starts itself again for
//! every test. Speaks as much of libtest's command line as cargo and cargo-nextest use.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, ExitCode, exit};

/// A test: its name, and what it does. It fails by panicking.
pub(crate) type Test = (&'static str, fn());

const CHILD: &str = "--in-own-process";
const SKIPPED: i32 = 77;

/// Ends the test's process: it cannot be run here, and this is why. The reason is printed, and
/// written into the file that `FIXWIRE_SKIPS` names, where the test script collects them.
#[allow(dead_code, reason = "not every suite can be skipped")]
pub(crate) fn skip(reason: &str) -> ! {
    let line = format!(
        "{}: {}: {reason}",
        env!("CARGO_CRATE_NAME"),
        env::args().nth(2).unwrap_or_default()
    );
    eprintln!("SKIPPED {line}");
    if let Some(path) = env::var_os("FIXWIRE_SKIPS")
        && let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path)
    {
        let _ = writeln!(file, "{line}");
    }
    exit(SKIPPED)
}

pub(crate) fn run(tests: &[Test]) -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = args.as_slice()
        && flag == CHILD
    {
        let (_, test) = tests.iter().find(|(known, _)| known == name).expect("a test's name");
        test();
        return ExitCode::SUCCESS;
    }
    let options = Options::parse(&args);
    let selected: Vec<&Test> = tests.iter().filter(|(name, _)| options.selects(name)).collect();
    if options.list {
        for (name, _) in selected {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    run_each(&selected, tests.len() - selected.len())
}

fn run_each(selected: &[&Test], filtered_out: usize) -> ExitCode {
    println!("\nrunning {} tests", selected.len());
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let program = env::current_exe().expect("the path of this program");
    for (name, _) in selected {
        let status = Command::new(&program).args([CHILD, name]).status().expect("a child process");
        let outcome = match status.code() {
            Some(0) => {
                passed += 1;
                "ok"
            }
            Some(SKIPPED) => {
                skipped += 1;
                "ignored"
            }
            _ => {
                failed += 1;
                "FAILED"
            }
        };
        println!("test {name} ... {outcome}");
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; \
         {filtered_out} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

#[derive(Default)]
struct Options {
    list: bool,
    /// Only ignored tests are wanted, of which there are none.
    ignored: bool,
    exact: bool,
    names: Vec<String>,
    skip: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Options {
        let mut options = Options::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => options.list = true,
                "--ignored" => options.ignored = true,
                "--exact" => options.exact = true,
                "--skip" => options.skip.extend(args.next().cloned()),
                "--format" | "--test-threads" | "--color" | "--logfile" | "-Z" => {
                    args.next();
                }
                flag if flag.starts_with('-') => {}
                name => options.names.push(name.to_owned()),
            }
        }
        options
    }

    fn selects(&self, test: &str) -> bool {
        let matches = |name: &String| if self.exact { test == name } else { test.contains(name) };
        !self.ignored
            && (self.names.is_empty() || self.names.iter().any(matches))
            && !self.skip.iter().any(matches)
    }
}
