//! A file through a window of fixed length, which knows where in the file it stands.

use std::io::{self, ErrorKind, Read};

/// What is held of a file, in bytes: twice the longest record.
const LEN: usize = 512 * 1024;
/// The longest record that is looked at in one piece, in bytes.
pub(super) const RECORD_LEN_MAX: usize = LEN / 2;

pub(super) struct Window<R> {
    input: R,
    bytes: Box<[u8]>,
    begin: usize,
    end: usize,
    /// Of what the window begins with, in the file.
    offset: u64,
    has_ended: bool,
}

impl<R: Read> Window<R> {
    pub(super) fn new(input: R) -> Window<R> {
        let bytes = vec![0; LEN].into_boxed_slice();
        Window { input, bytes, begin: 0, end: 0, offset: 0, has_ended: false }
    }

    /// What is at hand.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..self.end]
    }

    /// Where in the file these bytes begin.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads on until `len` bytes are at hand, and says whether they are: if not, the file ends before.
    pub(super) fn fill(&mut self, len: usize) -> io::Result<bool> {
        if self.end - self.begin >= len { Ok(true) } else { self.refill(len) }
    }

    fn refill(&mut self, len: usize) -> io::Result<bool> {
        debug_assert!(len <= RECORD_LEN_MAX);
        self.bytes.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        while self.end < len && !self.has_ended {
            match self.input.read(&mut self.bytes[self.end..]) {
                Ok(0) => self.has_ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end >= len)
    }

    /// Goes on behind `len` bytes of those at hand.
    pub(super) fn consume(&mut self, len: usize) {
        let len = len.min(self.end - self.begin);
        self.begin += len;
        self.offset += len as u64;
    }

    /// Goes on behind `len` bytes, at hand or not, and says whether the file has them.
    pub(super) fn skip(&mut self, mut len: u64) -> io::Result<bool> {
        while len > 0 {
            let at_hand = (self.end - self.begin) as u64;
            if at_hand == 0 && !self.fill(1)? {
                return Ok(false);
            }
            let step = len.min((self.end - self.begin) as u64);
            self.consume(step as usize);
            len -= step;
        }
        Ok(true)
    }
}
