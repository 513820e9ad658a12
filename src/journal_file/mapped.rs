//! A fence: a file in memory, and room for it on the disk.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use memmap2::{Advice, MmapOptions, MmapRaw};

/// The whole of a file that is locked, mapped to be read and written.
#[derive(Debug)]
pub(super) struct Mapped {
    map: Arc<MmapRaw>,
    /// Locked for as long as it is open.
    file: Arc<File>,
}

/// Pages that are made writable before somebody writes to them.
#[derive(Clone, Debug)]
pub(super) struct Pages(Arc<MmapRaw>);

impl Mapped {
    /// Maps a file of so many bytes, to which the disk has given room.
    pub(super) fn new(file: File, len: usize) -> io::Result<Mapped> {
        // Touching a page past a file's end kills the process, and so does one that the disk has no room for.
        if file.metadata()?.len() != len as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        allocate(&file, len)?;
        let map = MmapOptions::new().len(len).map_raw(&file)?;
        Ok(Mapped { map: Arc::new(map), file: Arc::new(file) })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped at this address until the last handle of the map is gone, of which this
        // is one. In this process only `bytes_mut` makes a way to write to them, which takes `self` alone; others
        // are kept out by the file's lock, and whoever ignores that writes bytes, of which any value is one.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.map.len()) }
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and mapped to be written; `self` is borrowed alone for as long as the slice lives.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr(), self.map.len()) }
    }

    /// Waits until these bytes are on the disk.
    pub(super) fn sync(&self, range: Range<usize>) -> io::Result<()> {
        self.map.flush_range(range.start, range.len())
    }

    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    pub(super) fn pages(&self) -> Pages {
        Pages(Arc::clone(&self.map))
    }
}

impl Pages {
    /// Makes pages writable, which takes the processor into the kernel: rather this thread than the session's.
    /// Kernels before Linux 5.14 do not know how.
    pub(super) fn prepare(&self, range: Range<usize>) {
        let range = range.start.min(self.0.len())..range.end.min(self.0.len());
        let _ = self.0.advise_range(Advice::PopulateWrite, range.start, range.len());
    }
}

/// Has the disk give room to the first `len` bytes. What they hold stays as it is.
pub(super) fn allocate(file: &File, len: usize) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // SAFETY: it takes three numbers, the first of a file that is open, and touches no memory of ours.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}
