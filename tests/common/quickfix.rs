//! QuickFIX as a counterparty: Debian's libquickfix behind the programs of `tests/quickfix`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::inside::{PATIENCE, Program, inside};
use super::{has, no_namespace, skip};

/// A version of FIX: its BeginString, and the dictionary that QuickFIX validates our messages by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub begin_string: &'static str,
    pub dictionary: &'static str,
}

pub const FIX42: Version = Version {
    begin_string: "FIX.4.2",
    dictionary: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quickfix/FIX42.xml"),
};
pub const FIX44: Version = Version {
    begin_string: "FIX.4.4",
    dictionary: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quickfix/FIX44.xml"),
};

/// Which side QuickFIX plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Acceptor,
    Initiator,
}

/// Plays `scenario` in a namespace of its own, once for each version, with QuickFIX's programs at
/// hand; skips by name what the machine lacks.
pub fn play(test: &str, scenario: impl Fn(&Stage)) {
    play_in(test, &[FIX42, FIX44], scenario);
}

/// The same in these versions.
pub fn play_in(test: &str, versions: &[Version], scenario: impl Fn(&Stage)) {
    if let Some(why) = no_namespace().or_else(no_quickfix) {
        return skip(test, &why);
    }
    // Built before the namespace is entered, and found again inside.
    let programs = programs();
    inside(test, || {
        for &version in versions {
            let folder = tempfile::tempdir().expect("a folder for settings");
            scenario(&Stage { programs: programs.clone(), folder, version });
        }
    });
}

fn no_quickfix() -> Option<String> {
    if !has("g++") {
        return Some("g++ is not installed".into());
    }
    let header = Path::new("/usr/include/quickfix/Session.h");
    (!header.exists()).then(|| "libquickfix-dev is not installed".into())
}

fn programs() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/quickfix");
    let output = Command::new(script).output().expect("the script runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// Where a scenario is played.
pub struct Stage {
    programs: PathBuf,
    folder: tempfile::TempDir,
    pub version: Version,
}

impl Stage {
    /// A file of ours.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file is written");
        path
    }

    /// QuickFIX with one session of this stage's version, and further settings in its own form. Our
    /// initiator is FIXWIRE, our acceptor EXCHANGE: QuickFIX is the other one.
    pub fn quickfix(&self, side: Side, settings: &str) -> QuickFix {
        self.start("", side, settings, &[self.session(side)])
    }

    /// The same behind a command that enters another namespace.
    pub fn quickfix_entering(&self, enter: &str, side: Side) -> QuickFix {
        self.start(enter, side, "", &[self.session(side)])
    }

    /// The one session, as QuickFIX has it on its side.
    fn session(&self, side: Side) -> (Version, &'static str, &'static str) {
        match side {
            Side::Acceptor => (self.version, "EXCHANGE", "FIXWIRE"),
            Side::Initiator => (self.version, "FIXWIRE", "EXCHANGE"),
        }
    }

    /// The same with several sessions.
    pub fn quickfix_of(
        &self,
        side: Side,
        settings: &str,
        sessions: &[(Version, &str, &str)],
    ) -> QuickFix {
        self.start("", side, settings, sessions)
    }

    /// QuickFIX's program for this side, by a settings file that is there.
    pub fn quickfix_by(&self, side: Side, settings: &Path) -> QuickFix {
        let program = if side == Side::Acceptor { "acceptor" } else { "initiator" };
        let mut command = Command::new(self.programs.join(program));
        QuickFix::ready(Program::start_obedient(command.arg(settings)))
    }

    /// A folder of its own beside the files of ours.
    pub fn new_folder(&self) -> PathBuf {
        tempfile::tempdir_in(self.folder.path()).expect("a folder").keep()
    }

    fn start(
        &self,
        enter: &str,
        side: Side,
        settings: &str,
        sessions: &[(Version, &str, &str)],
    ) -> QuickFix {
        let (program, connection) = match side {
            Side::Acceptor => ("acceptor", "SocketAcceptPort=9878\n"),
            Side::Initiator => (
                "initiator",
                "SocketConnectHost=10.9.0.2\nSocketConnectPort=9878\nReconnectInterval=1\n",
            ),
        };
        let store = tempfile::tempdir_in(self.folder.path()).expect("a folder for a store");
        let mut text = format!(
            "[DEFAULT]\nConnectionType={program}\nStartTime=00:00:00\nEndTime=00:00:00\nHeartBtInt=10\n\
             UseDataDictionary=Y\nValidateUserDefinedFields=Y\nValidateFieldsOutOfOrder=Y\n\
             ValidateFieldsHaveValues=Y\nCheckLatency=Y\nFileStorePath={}\n{connection}{settings}\n",
            store.keep().display()
        );
        for (version, us, them) in sessions {
            text += &format!(
                "[SESSION]\nBeginString={}\nSenderCompID={us}\nTargetCompID={them}\nDataDictionary={}\n",
                version.begin_string, version.dictionary
            );
        }
        let settings = self.file("quickfix.cfg", &text);
        let program = self.programs.join(program);
        let mut words = enter.split_whitespace().map(OsStr::new).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().expect("the program at least"));
        QuickFix::ready(Program::start_obedient(command.args(words).arg(settings)))
    }
}

/// A running QuickFIX, and all that it has said.
pub struct QuickFix {
    program: Program,
    seen: Vec<String>,
    /// The first line that was not waited for yet.
    next: usize,
}

impl QuickFix {
    fn ready(program: Program) -> QuickFix {
        let mut quickfix = QuickFix { program, seen: Vec::new(), next: 0 };
        quickfix.wait("ready", |line| line == "ready");
        // An initiator may be logged on before it is ready: its first lines are still to be waited for.
        quickfix.next = 0;
        quickfix
    }

    pub fn tell(&mut self, command: &str) {
        self.program.tell(command);
    }

    /// Waits for a line, said or still to be said, behind the one that was waited for last.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Some(line) = self.seen.get(self.next) {
                self.next += 1;
                if wanted(line) {
                    println!("        : {what}");
                    return line.clone();
                }
            }
            // Heartbeats keep coming: each line is in time, and the one waited for may never be.
            assert!(Instant::now() < deadline, "QuickFIX does not say {what}");
            self.hear();
        }
    }

    fn hear(&mut self) {
        let line = self.program.line();
        // Shown if the test fails.
        println!("quickfix: {line}");
        self.seen.push(line);
    }

    /// Waits for a message that QuickFIX receives, with these fields among others.
    pub fn wait_in(&mut self, fields: &str) -> Message {
        self.wait_message("in ", fields)
    }

    /// Waits for a message that QuickFIX sends.
    pub fn wait_out(&mut self, fields: &str) -> Message {
        self.wait_message("out ", fields)
    }

    fn wait_message(&mut self, way: &str, fields: &str) -> Message {
        let line = self.wait(&format!("{way}{fields}"), |line| {
            line.strip_prefix(way).is_some_and(|text| Message(text.into()).has(fields))
        });
        Message(line[way.len()..].to_owned())
    }

    pub fn wait_logon(&mut self) {
        self.wait("a logon", |line| line.starts_with("logon "));
    }

    pub fn wait_logout(&mut self) {
        self.wait("a logout", |line| line.starts_with("logout "));
    }

    /// The next number out, and the next in.
    pub fn numbers(&mut self) -> (u64, u64) {
        let told = self.count("numbers ");
        self.tell("numbers");
        while self.count("numbers ") == told {
            self.hear();
        }
        let line = self.seen.iter().rfind(|line| line.starts_with("numbers ")).unwrap();
        let mut numbers = line.split(' ').skip(1).map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }

    /// Waits until the next number in is this one: a message is told of before it is dealt with.
    pub fn wait_expecting(&mut self, seq: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.numbers().1 != seq {
            assert!(Instant::now() < deadline, "QuickFIX does not come to expect {seq}");
        }
    }

    /// Every message received so far with these fields.
    pub fn received(&self, fields: &str) -> Vec<Message> {
        self.messages("in ", fields)
    }

    /// Every message sent so far with these fields.
    pub fn sent(&self, fields: &str) -> Vec<Message> {
        self.messages("out ", fields)
    }

    /// Whether it has received a message with all of this in it.
    pub fn has_received(&self, parts: &[&str]) -> bool {
        let received = self.seen.iter().filter(|line| line.starts_with("in "));
        received.into_iter().any(|line| parts.iter().all(|part| line.contains(part)))
    }

    fn messages(&self, way: &str, fields: &str) -> Vec<Message> {
        let texts = self.seen.iter().filter_map(|line| line.strip_prefix(way));
        texts.map(|text| Message(text.into())).filter(|message| message.has(fields)).collect()
    }

    /// How many lines began so.
    pub fn count(&self, start: &str) -> usize {
        self.seen.iter().filter(|line| line.starts_with(start)).count()
    }

    /// Hears what is said until `wanted` holds, or for so long; whether it does.
    pub fn hear_until(&mut self, patience: Duration, wanted: impl Fn(&QuickFix) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if wanted(self) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(line) = self.program.line_within(left) else { return wanted(self) };
            println!("quickfix: {line}");
            self.seen.push(line);
        }
    }

    /// Kills the process; all that it has received.
    pub fn kill(mut self) -> Vec<Message> {
        self.program.signal("KILL");
        while let Some(line) = self.program.line_within(PATIENCE) {
            self.seen.push(line);
        }
        self.received("")
    }

    /// Stops the process, and lets it go on.
    pub fn signal(&self, name: &str) {
        self.program.signal(name);
    }

    /// No Reject of any kind went either way, and QuickFIX found no message invalid.
    pub fn assert_contented(&self) {
        for line in &self.seen {
            let message = Message(line.split_once(' ').unwrap_or_default().1.into());
            let rejected = ["35=3", "35=j"].iter().any(|reject| message.has(reject));
            let invalid = line.starts_with("event ")
                && ["Reject", "nvalid", "Message Error", "no such command"]
                    .iter()
                    .any(|word| line.contains(word));
            assert!(!rejected && !invalid, "{line}");
        }
    }
}

/// A message with `|` for SOH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(String);

impl Message {
    /// Whether it has every one of these fields, written `35=D|34=2`.
    pub fn has(&self, fields: &str) -> bool {
        fields.split_terminator('|').all(|wanted| self.0.split('|').any(|field| field == wanted))
    }

    /// The value of a field.
    pub fn field(&self, tag: u32) -> &str {
        let start = format!("{tag}=");
        let value = self.0.split('|').find_map(|field| field.strip_prefix(&start));
        value.unwrap_or_else(|| panic!("no {tag} in {}", self.0))
    }

    /// A message that was written so elsewhere.
    pub fn of(text: &str) -> Message {
        Message(text.into())
    }

    /// Its fields, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.split_terminator('|')
    }

    /// MsgSeqNum(34).
    pub fn seq(&self) -> u64 {
        self.field(34).parse().unwrap()
    }
}
