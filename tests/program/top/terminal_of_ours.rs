//! The program on a terminal whose other end is here.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::common::inside::{PATIENCE, is_inside};
use crate::common::{has, skip};

use super::terminal::Screen;
use super::{BIN, Run, start, text};

/// What a terminal is told that shows another screen, and again the one before.
const OTHER_SCREEN: &str = "\x1b[?1049h";
const SCREEN_BEFORE: &str = "\x1b[?1049l";

/// A program, and the end of the terminal where somebody sits.
struct Sitting {
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    /// The program's end, and how it was before.
    line: File,
    before: Termios,
}

impl Sitting {
    /// Starts what `command` says on a terminal of so many rows and columns, as the leader of a session of its own.
    fn start(command: &Command, size: (u16, u16)) -> Sitting {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let no_ctty = OFlags::NOCTTY.bits() as i32;
        let mut options = OpenOptions::new();
        let line = options.read(true).write(true).custom_flags(no_ctty);
        let line = line.open(name.to_str().unwrap()).unwrap();
        let keyboard = File::from(keyboard);
        set_size(&keyboard, size);
        let before = tcgetattr(&line).unwrap();
        let end = || Stdio::from(line.try_clone().unwrap());
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("TERM", "xterm-256color")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut screen, all) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(len @ 1..) = screen.read(&mut bytes) {
                all.lock().unwrap().extend_from_slice(&bytes[..len]);
            }
        });
        Sitting { child, keyboard, shown, line, before }
    }

    /// All that was written to the terminal.
    fn written(&self) -> String {
        text(&self.shown.lock().unwrap())
    }

    /// What can be seen there.
    fn shown(&self) -> String {
        seen(&self.written())
    }

    fn until_it_shows(&self, words: &str) {
        let begun = Instant::now();
        while !self.shown().contains(words) {
            assert!(begun.elapsed() < PATIENCE, "{words:?} is not shown: {}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn until_it_writes(&self, what: &str) {
        let begun = Instant::now();
        while !self.written().contains(what) {
            assert!(begun.elapsed() < PATIENCE, "{what:?} is not written: {:?}", self.written());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    fn end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if begun.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it does not end: {:?}", self.shown());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The screen before is back, the cursor is seen, and lines are edited and echoed as before.
    fn assert_given_back(&self) {
        self.until_it_writes(SCREEN_BEFORE);
        let written = self.written();
        assert!(written.rfind(SCREEN_BEFORE) > written.rfind(OTHER_SCREEN), "{written:?}");
        let cursor = ["\x1b[?25h", "\x1b[?25l"].map(|of| written.rfind(of));
        assert!(cursor[0] > cursor[1] || cursor[1].is_none(), "no cursor: {written:?}");
        let now = tcgetattr(&self.line).unwrap();
        assert_eq!(
            (now.local_modes, now.input_modes, now.output_modes),
            (self.before.local_modes, self.before.input_modes, self.before.output_modes)
        );
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a terminal shows to which this was written: texts at the cursor, which moves by CUP, and a screen that is cleared (ECMA-48
/// 8.3.21, 8.3.39); colours and whatever else there is show nothing.
fn seen(written: &str) -> String {
    let mut rows: Vec<Vec<char>> = Vec::new();
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut rest = written.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' if rest.next_if_eq(&'[').is_some() => {
                let mut arguments = String::new();
                let is_final = |of: &char| ('@'..='~').contains(of);
                while let Some(of) = rest.next_if(|of| !is_final(of)) {
                    arguments.push(of);
                }
                match rest.next() {
                    Some('H') => {
                        let mut at = arguments.split(';').map(|of| of.parse().unwrap_or(1));
                        row = at.next().unwrap_or(1) - 1;
                        column = at.next().unwrap_or(1) - 1;
                    }
                    Some('J') => rows.clear(),
                    _ => {}
                }
            }
            '\r' => column = 0,
            '\n' => row += 1,
            character => {
                rows.resize_with(rows.len().max(row + 1), Vec::new);
                let cells = &mut rows[row];
                cells.resize(cells.len().max(column + 1), ' ');
                cells[column] = character;
                column += 1;
            }
        }
    }
    let rows = rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned());
    rows.collect::<Vec<_>>().join("\n")
}

fn set_size(terminal: &File, (rows, columns): (u16, u16)) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

fn top(run: &Run) -> Command {
    let mut command = Command::new(BIN);
    command.args(["top", "--interval", "0.1"]).arg(run.socket());
    command
}

/// Whether a test can be made to sit at a terminal.
fn is_skipped(test: &str) -> bool {
    let is = !is_inside() && !has("setsid");
    if is {
        skip(test, "setsid (util-linux) is not installed");
    }
    is
}

#[test]
fn whoever_sits_at_a_terminal_looks_resizes_it_and_quits() {
    if is_skipped("whoever_sits_at_a_terminal_looks_resizes_it_and_quits") {
        return;
    }
    let run = Run::start(&["--profile", "sim"]);
    let mut sitting = Sitting::start(&top(&run), (40, 160));
    sitting.until_it_writes(OTHER_SCREEN);
    sitting.until_it_shows("FIX.4.4:FIXWIRE->EXCHANGE");
    sitting.until_it_shows("q quit   1-6 one part");
    // Keys come one by one, and without Enter.
    sitting.press("5");
    sitting.until_it_shows("5 clocks ───");
    set_size(&sitting.keyboard, (4, 50));
    sitting.signal("WINCH");
    sitting.until_it_shows("50x4 is too small; q quits");
    sitting.press("q");
    assert_eq!(sitting.end().code(), Some(0), "{:?}", sitting.shown());
    sitting.assert_given_back();
}

#[test]
fn an_engine_that_is_killed_is_missed_and_another_one_is_found() {
    if is_skipped("an_engine_that_is_killed_is_missed_and_another_one_is_found") {
        return;
    }
    let mut run = Run::start(&["--profile", "sim"]);
    let mut sitting = Sitting::start(&top(&run), (40, 200));
    sitting.until_it_shows("FIX.4.4:FIXWIRE->EXCHANGE");
    let before = run.program.id();
    run.program.signal("KILL");
    sitting.until_it_shows("nobody answers at");
    sitting.until_it_shows("below is what it said last");
    run.program = start(run.folder.path(), &["--profile", "sim"]);
    sitting.until_it_shows(&format!("before it was process {before}"));
    // Ctrl-C is a key there.
    sitting.press("\x03");
    assert_eq!(sitting.end().code(), Some(0), "{:?}", sitting.shown());
    sitting.assert_given_back();
}

#[test]
fn a_signal_gives_the_terminal_back_and_no_color_leaves_colours_out() {
    if is_skipped("a_signal_gives_the_terminal_back_and_no_color_leaves_colours_out") {
        return;
    }
    let run = Run::start(&["--profile", "sim"]);
    // SGR 3x and 38;5;x: the first are a terminal's own colours, the second those of a palette.
    let coloured = ["\x1b[3", ";3", "38;5;"];
    for no_color in [false, true] {
        let mut command = top(&run);
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let mut sitting = Sitting::start(&command, (40, 160));
        sitting.until_it_shows("proven");
        sitting.signal("TERM");
        assert_eq!(sitting.end().code(), Some(0), "{:?}", sitting.shown());
        sitting.assert_given_back();
        let written = sitting.written();
        let sequences = written.split("\x1b[").skip(1).filter_map(|of| of.split_once('m'));
        let sgr = sequences.map(|(codes, _)| format!("\x1b[{codes}"));
        let sgr = sgr.filter(|codes| codes[2..].bytes().all(|b| b.is_ascii_digit() || b == b';'));
        // 39 and 49 are the terminal's own, and no colour.
        let colours = sgr.filter(|codes| {
            coloured.iter().any(|of| codes.contains(of))
                && *codes != "\x1b[39"
                && *codes != "\x1b[39;49"
        });
        assert_eq!(colours.count() == 0, no_color, "{written:?}");
    }
}

/// Set in the process that is to panic.
const PANICS: &str = "FIXWIRE_TEST_PANICS";

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    const NAME: &str = "top::terminal_of_ours::a_panic_gives_the_terminal_back_before_it_is_told";
    if std::env::var_os(PANICS).is_some() {
        let _screen = Screen::begin().unwrap();
        panic!("on purpose");
    }
    if is_skipped(NAME) {
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([NAME, "--exact", "--nocapture"]).env(PANICS, "1");
    let mut sitting = Sitting::start(&command, (40, 160));
    sitting.until_it_writes("on purpose");
    assert_eq!(sitting.end().code(), Some(101));
    sitting.assert_given_back();
    let written = sitting.written();
    assert!(written.find(SCREEN_BEFORE) < written.find("on purpose"), "{written:?}");
    assert_eq!(written.matches(SCREEN_BEFORE).count(), 1, "{written:?}");
}
