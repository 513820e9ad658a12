//! What two processes say to each other, and the file descriptors that they pass.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Signal, kill_process};

use super::Word;

/// The longest line of JSON, in bytes.
const TEXT_LEN_MAX: usize = 64 * 1024;
/// The longest word, in bytes: what a thousand sessions keep in memory at most fits four times over in a quarter of it.
const WORD_LEN_MAX: usize = 1 << 30;
/// File descriptors passed at once: the kernel takes 253 (SCM_MAX_FD).
pub(super) const HANDLES_MAX: usize = 200;
/// Those that wait to be taken.
const HANDLES_WAITING_MAX: usize = 70_000;

/// One end.
pub(super) struct Line {
    stream: UnixStream,
    handles: VecDeque<OwnedFd>,
}

impl Line {
    pub(super) fn new(stream: UnixStream) -> Line {
        Line { stream, handles: VecDeque::new() }
    }

    /// The next that was passed with what has been read.
    pub(super) fn handle(&mut self) -> io::Result<OwnedFd> {
        self.handles.pop_front().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Says a line of text, by the deadline.
    pub(super) fn say_text(
        &mut self,
        text: &str,
        handles: &[BorrowedFd<'_>],
        within: Duration,
    ) -> io::Result<()> {
        self.send(format!("{text}\n").as_bytes(), handles, within)
    }

    /// The next line of text, without its end.
    pub(super) fn text(&mut self, within: Duration) -> io::Result<String> {
        let until = Instant::now() + within;
        let mut text = Vec::new();
        loop {
            let mut byte = [0];
            self.receive(&mut byte, until)?;
            match byte[0] {
                b'\n' => break,
                byte if text.len() < TEXT_LEN_MAX => text.push(byte),
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
        String::from_utf8(text).map_err(|_| ErrorKind::InvalidData.into())
    }

    pub(super) fn say(
        &mut self,
        word: &Word,
        handles: &[BorrowedFd<'_>],
        within: Duration,
    ) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        bytes = postcard::to_extend(word, bytes)
            .map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        let len = bytes.len() - 4;
        if len > WORD_LEN_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
        self.send(&bytes, handles, within)
    }

    /// The next word. A line that was closed ends (`UnexpectedEof`), one that is silent times out.
    pub(super) fn word(&mut self, within: Duration) -> io::Result<Word> {
        let until = Instant::now() + within;
        let mut len = [0; 4];
        self.receive(&mut len, until)?;
        let len = u32::from_le_bytes(len) as usize;
        if len > WORD_LEN_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; len];
        self.receive(&mut bytes, until)?;
        postcard::from_bytes(&bytes).map_err(|_| ErrorKind::InvalidData.into())
    }

    /// Waits until the other process has ended, having killed it if it is still there after a while, so that nothing of it
    /// writes to files that were passed. Whether it has ended.
    pub(super) fn outlive(&mut self, within: Duration) -> bool {
        if self.is_at_end(within) {
            return true;
        }
        let peer = rustix::net::sockopt::socket_peercred(&self.stream);
        let killed = peer.is_ok_and(|peer| kill_process(peer.pid, Signal::KILL).is_ok());
        killed && self.is_at_end(Duration::from_secs(10))
    }

    fn is_at_end(&mut self, within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            match self.receive(&mut [0], until) {
                Ok(()) => {}
                Err(error) => return error.kind() != ErrorKind::TimedOut,
            }
        }
    }

    fn send(
        &mut self,
        bytes: &[u8],
        handles: &[BorrowedFd<'_>],
        within: Duration,
    ) -> io::Result<()> {
        self.stream.set_write_timeout(Some(within))?;
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDLES_MAX))];
        let mut beside = SendAncillaryBuffer::new(&mut room);
        if !handles.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(handles)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let mut sent = 0;
        while sent < bytes.len() {
            let rest = [IoSlice::new(&bytes[sent..])];
            match sendmsg(&self.stream, &rest, &mut beside, SendFlags::NOSIGNAL) {
                Ok(len) => sent += len,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            // They went with the first of it.
            beside.clear();
        }
        Ok(())
    }

    fn receive(&mut self, mut room: &mut [u8], until: Instant) -> io::Result<()> {
        while !room.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HANDLES_MAX))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let mut pieces = [IoSliceMut::new(room)];
            let received = recvmsg(&self.stream, &mut pieces, &mut beside, RecvFlags::CMSG_CLOEXEC);
            let len = match received {
                Ok(received) => received.bytes,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Err(ErrorKind::TimedOut.into()),
                Err(error) => return Err(error.into()),
            };
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(handles) = message {
                    self.handles.extend(handles);
                }
            }
            if len == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if self.handles.len() > HANDLES_WAITING_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            room = &mut room[len..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use fixwire::blob::Blob;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn lines() -> (Line, Line) {
        let (one, other) = UnixStream::pair().unwrap();
        (Line::new(one), Line::new(other))
    }

    #[test]
    fn words_and_files_arrive_in_their_order() {
        let (mut one, mut other) = lines();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"a file").unwrap();
        let state = Blob(vec![7; 3_000_000]);
        let wanted = state.clone();
        let said = std::thread::spawn(move || {
            let handles = [file.as_fd(), file.as_fd()];
            one.say_text("{\"a\":1}", &[file.as_fd()], SOON).unwrap();
            one.say(&Word::Stores(vec![Blob(b"s".to_vec())]), &handles, SOON).unwrap();
            one.say(&Word::State { exported_at_ns: 5, state }, &[], SOON).unwrap();
        });
        assert_eq!(other.text(SOON).unwrap(), "{\"a\":1}");
        assert!(matches!(other.word(SOON).unwrap(), Word::Stores(of) if of.len() == 1));
        for _ in 0..3 {
            let file = File::from(other.handle().unwrap());
            assert_eq!(file.metadata().unwrap().len(), 6);
        }
        assert!(other.handle().is_err());
        match other.word(SOON).unwrap() {
            Word::State { exported_at_ns: 5, state } => assert_eq!(state, wanted),
            word => panic!("{word:?}"),
        }
        said.join().unwrap();
        assert_eq!(other.word(SOON).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_process_that_does_not_end_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // One that connects, and waits for ever.
        let script = format!(
            "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => '{}'); sleep",
            path.display()
        );
        let Ok(mut child) = std::process::Command::new("perl").args(["-e", &script]).spawn() else {
            return;
        };
        let mut line = Line::new(listener.accept().unwrap().0);
        assert!(line.outlive(Duration::from_millis(50)));
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn who_says_nothing_or_nonsense_is_told_from_who_is_gone() {
        let (mut one, other) = lines();
        let kind = |line: &mut Line| line.word(Duration::from_millis(30)).unwrap_err().kind();
        assert_eq!(kind(&mut one), ErrorKind::TimedOut);
        // Half a word, and then nothing; a length that nothing has; no word.
        for (bytes, why) in [(&[9, 0][..], ErrorKind::TimedOut), (&[0, 0][..], ErrorKind::TimedOut)]
        {
            (&other.stream).write_all(bytes).unwrap();
            assert_eq!(kind(&mut one), why);
        }
        (&other.stream).write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert_eq!(kind(&mut one), ErrorKind::InvalidData);
        (&other.stream).write_all(&[1, 0, 0, 0, 99]).unwrap();
        assert_eq!(kind(&mut one), ErrorKind::InvalidData);
        drop(one);
        assert_eq!((&other.stream).read(&mut [0]).unwrap(), 0);
    }
}
