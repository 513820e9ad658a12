//! Standard output while an engine is polled: written by a thread of its own, so that a reader that
//! does not read, or a disk that is full, costs lines and never a session. That thread also puts them
//! into words, so that the polling thread allocates nothing.

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::warn;

/// Lines that wait to be written. More than that are lost, and counted.
const LINES_MAX: usize = 1_024;
/// How long the last words may take to be written.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(5);
/// Between two tries to hand them over.
const PAUSE: Duration = Duration::from_millis(10);

/// Says lines without ever waiting for whoever reads them. An `L` is what becomes one.
pub(crate) struct Speaker<L> {
    lines: SyncSender<L>,
    lost: Cell<u64>,
    /// What became of the last line, once all are written.
    written: Receiver<std::io::Result<()>>,
}

impl<L: Send + 'static> Speaker<L> {
    /// Starts the thread, which puts lines `into_words`. To be called before the polling thread is
    /// pinned: a thread that is started after that would share its core.
    pub(crate) fn start(
        into_words: impl Fn(L) -> String + Send + 'static,
    ) -> Result<Speaker<L>, Failure> {
        Speaker::writing_to(std::io::stdout(), into_words)
    }

    fn writing_to(
        out: impl Write + Send + 'static,
        into_words: impl Fn(L) -> String + Send + 'static,
    ) -> Result<Speaker<L>, Failure> {
        let (lines, waiting) = sync_channel(LINES_MAX);
        let (done, written) = channel();
        let write = move || {
            // Nobody waits any more where this cannot be told.
            let _ = done.send(write_all(out, waiting.iter().map(into_words)));
        };
        thread::Builder::new().name("speaker".into()).spawn(write).map_err(|error| {
            Failure::run(format!("no thread can be started: {error}"), "raise the limit of threads")
        })?;
        Ok(Speaker { lines, lost: Cell::new(0), written })
    }

    /// Says a line, if there is room for it to wait.
    pub(crate) fn say(&self, line: L) {
        if self.lines.try_send(line).is_err() {
            self.lost.set(self.lost.get() + 1);
        }
    }

    /// Says the last words and waits until all is written, but not for ever.
    ///
    /// # Errors
    /// The last words were not written, and why.
    pub(crate) fn finish(self, last_words: L) -> Result<(), Failure> {
        let deadline = Instant::now() + LAST_WORDS_WITHIN;
        let mut words = last_words;
        while let Err(TrySendError::Full(back)) = self.lines.try_send(words) {
            if Instant::now() >= deadline {
                return Err(unread());
            }
            words = back;
            thread::sleep(PAUSE);
        }
        drop(self.lines);
        if self.lost.get() > 0 {
            let lost = self.lost.get();
            warn(format_args!("{lost} lines were lost: standard output was not read in time"));
        }
        match self.written.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::run(
                format!("standard output cannot be written: {error}"),
                "make room for it, or send it elsewhere",
            )),
            Err(_) => Err(unread()),
        }
    }
}

fn unread() -> Failure {
    let seconds = LAST_WORDS_WITHIN.as_secs();
    Failure::run(
        format!("nobody reads standard output: the report was not written within {seconds} s"),
        "read it, or send it to a file",
    )
}

/// Writes every line that comes, and says what became of the last. Trouble is told once, when it begins;
/// later lines are tried again. A reader that went away (`| head`) is no trouble.
fn write_all(mut out: impl Write, lines: impl Iterator<Item = String>) -> std::io::Result<()> {
    let mut last = Ok(());
    let mut is_told = false;
    for line in lines {
        last = writeln!(out, "{line}").and_then(|()| out.flush());
        match &last {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => last = Ok(()),
            Err(error) if !is_told => {
                warn(format_args!(
                    "standard output cannot be written: {error}; the sessions go on, lines are lost"
                ));
                is_told = true;
            }
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::Sender;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written, after it was let.
    struct Page {
        text: Arc<Mutex<Vec<u8>>>,
        let_through: Receiver<()>,
        has_room: bool,
    }

    fn page(has_room: bool) -> (Page, Arc<Mutex<Vec<u8>>>, Sender<()>) {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (permit, let_through) = channel();
        (Page { text: Arc::clone(&text), let_through, has_room }, text, permit)
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Blocks until it is let, then no more.
            let _ = self.let_through.recv();
            if !self.has_room {
                return Err(io::Error::new(ErrorKind::StorageFull, "full"));
            }
            self.text.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_no_time() {
        let (page, text, permit) = page(true);
        let speaker = Speaker::writing_to(page, |line: String| line).unwrap();
        for number in 0..LINES_MAX + 100 {
            speaker.say(number.to_string());
        }
        // One may be in the writer's hand.
        assert!((99..=100).contains(&speaker.lost.get()), "{}", speaker.lost.get());
        drop(permit);
        assert!(speaker.finish("the end".into()).is_ok());
        let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("0\n1\n2\n") && text.ends_with("\nthe end\n"));
    }

    #[test]
    fn a_full_disk_is_a_failure_at_the_end_alone() {
        let (page, _, permit) = page(false);
        drop(permit);
        let speaker = Speaker::writing_to(page, |line: String| line).unwrap();
        speaker.say("a line".into());
        let failure = speaker.finish("the end".into()).unwrap_err().to_string();
        assert!(failure.contains("cannot be written: full"), "{failure}");
    }

    #[test]
    fn last_words_that_nobody_reads_are_given_up() {
        let (page, _, permit) = page(true);
        let speaker = Speaker::writing_to(page, |line: String| line).unwrap();
        let failure = speaker.finish("the end".into()).unwrap_err().to_string();
        assert!(failure.contains("nobody reads"), "{failure}");
        drop(permit);
    }
}
