//! The capture file: opened without ever waiting, and never left with half a block at its end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::trouble::Trouble;

/// How long a pipe that is full is left alone.
const PIPE_PAUSE: Duration = Duration::from_millis(1);

/// Where a capture goes.
#[derive(Debug)]
pub(super) struct Sink {
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    /// A pipe that nobody reads yet.
    NoReader,
    Open {
        file: File,
        /// How long it is, in bytes, if it can be cut.
        cuttable_len: Option<u64>,
    },
    /// Nothing can be written any more.
    Closed,
}

/// What became of some blocks.
#[derive(Debug)]
pub(super) struct Written {
    /// How many bytes of them are in the file, in whole blocks.
    pub(super) len: usize,
    /// Why the rest is not.
    pub(super) trouble: Option<Trouble>,
}

impl Sink {
    /// Opens `path`, emptied or new. A pipe without a reader is no error yet.
    pub(super) fn open(path: &Path) -> (Sink, Option<Trouble>) {
        let mut sink = Sink { path: path.to_owned(), state: State::NoReader };
        let trouble = sink.try_open();
        (sink, trouble)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether blocks can be handed over: not while a pipe has no reader. To be asked now and then.
    pub(super) fn is_ready(&mut self) -> (bool, Option<Trouble>) {
        let mut trouble = None;
        if matches!(self.state, State::NoReader) {
            trouble = self.try_open();
        }
        (!matches!(self.state, State::NoReader), trouble)
    }

    fn try_open(&mut self) -> Option<Trouble> {
        // Without O_NONBLOCK, a pipe without a reader would keep us here.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).custom_flags(libc::O_NONBLOCK);
        let opened = options.open(&self.path).and_then(|file| {
            let is_file = file.metadata()?.file_type().is_file();
            Ok(State::Open { file, cuttable_len: is_file.then_some(0) })
        });
        match opened {
            Ok(state) => self.state = state,
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) && is_pipe(&self.path) => {
                self.state = State::NoReader;
            }
            Err(source) => {
                self.state = State::Closed;
                return Some(Trouble::Open { path: self.path.clone(), source });
            }
        }
        None
    }

    /// Gives up waiting for a reader.
    pub(super) fn stop_waiting(&mut self) -> Option<Trouble> {
        matches!(self.state, State::NoReader).then(|| {
            self.state = State::Closed;
            Trouble::NoReader { path: self.path.clone() }
        })
    }

    /// Writes blocks, or as many of them as go in whole: `whole` says of a number of bytes how many
    /// of them that leaves. A pipe that is full is waited for as long as `may_wait` says.
    pub(super) fn write(
        &mut self,
        blocks: &[u8],
        whole: impl Fn(usize) -> usize,
        may_wait: impl Fn() -> bool,
    ) -> Written {
        let State::Open { file, cuttable_len } = &mut self.state else {
            return Written { len: 0, trouble: None };
        };
        let (done, error) = write_all(file, blocks, may_wait);
        let Some(source) = error else {
            *cuttable_len = cuttable_len.map(|len| len + done as u64);
            return Written { len: done, trouble: None };
        };
        let (len, path) = (whole(done), self.path.clone());
        match cuttable_len.map(|before| before + len as u64) {
            Some(file_len) if cut(file, file_len).is_ok() => {
                *cuttable_len = Some(file_len);
                Written { len, trouble: Some(Trouble::Write { path, source }) }
            }
            _ => {
                self.state = State::Closed;
                Written { len, trouble: Some(Trouble::GivenUp { path, source }) }
            }
        }
    }
}

fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Writes `bytes`, and says how many went in and what stopped the rest.
fn write_all(
    file: &mut impl Write,
    bytes: &[u8],
    may_wait: impl Fn() -> bool,
) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => return (done, Some(ErrorKind::WriteZero.into())),
            Ok(len) => done += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && may_wait() => sleep(PIPE_PAUSE),
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

/// Makes the file `len` bytes long and goes on from there.
fn cut(file: &mut File, len: u64) -> io::Result<()> {
    file.set_len(len)?;
    file.seek(SeekFrom::Start(len)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BLOCKS: &[u8] = b"block block ";

    fn write(sink: &mut Sink) -> Written {
        sink.write(BLOCKS, |len| len / 6 * 6, || false)
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named_with_a_remedy_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for (path, remedy) in [
            (folder.path().to_owned(), "name a file in that folder"),
            (folder.path().join("no/such/folder.pcapng"), "create its folder"),
        ] {
            let (mut sink, trouble) = Sink::open(&path);
            let sentence = trouble.unwrap().to_string();
            assert!(sentence.contains(path.to_str().unwrap()), "{sentence}");
            assert!(sentence.contains(remedy), "{sentence}");
            assert!(sink.is_ready().0, "there is nothing to wait for");
            let written = write(&mut sink);
            assert!(written.len == 0 && written.trouble.is_none());
        }
    }

    #[test]
    fn a_device_that_takes_nothing_is_given_up() {
        let (mut sink, trouble) = Sink::open(Path::new("/dev/full"));
        assert!(trouble.is_none());
        let written = write(&mut sink);
        assert_eq!(written.len, 0);
        let sentence = written.trouble.unwrap().to_string();
        assert!(sentence.contains("/dev/full") && sentence.contains("make room"), "{sentence}");
        assert!(write(&mut sink).trouble.is_none(), "nothing is tried again");
    }

    #[test]
    fn what_was_there_before_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.pcapng");
        fs::write(&path, vec![1; 10_000]).unwrap();
        let (mut sink, _) = Sink::open(&path);
        assert_eq!(write(&mut sink).len, BLOCKS.len());
        assert_eq!(fs::read(&path).unwrap(), BLOCKS);
    }

    #[test]
    fn writing_goes_on_through_interruptions_and_short_writes() {
        /// Takes a byte at a time, and every other time none.
        struct Slow(Vec<u8>, bool);

        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(ErrorKind::Interrupted.into());
                }
                self.0.push(bytes[0]);
                Ok(1)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let mut slow = Slow(Vec::new(), false);
        assert!(matches!(write_all(&mut slow, b"frames", || false), (6, None)));
        assert_eq!(slow.0, b"frames");
    }

    #[test]
    fn a_file_is_cut_to_a_length_and_written_on_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"whole half").unwrap();
        cut(&mut file, 6).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole whole");
    }
}
