//! A [`Journal`] in a file: found, locked, mapped, synced. Everything that waits for a disk but
//! [`Durability::Sync`] is done by a thread of its own.

mod error;
mod flusher;
mod identity;
mod mapped;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::fix::store::journal::{
    self, BootId, Durability, Header, Intact, Journal, Ledger, Medium, Proven, RING_LEN_MAX,
    RING_LEN_MIN, Refused, Resumption, Survey, Taken,
};
use crate::fix::store::{NotNow, Store, StoreFailed};
use crate::time::UtcTime;
use flusher::{Flusher, Shared, Work};
use mapped::Mapped;

pub use error::OpenError;
pub use identity::{identity, identity_of};

/// How a session's numbers and messages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorePlan {
    /// The folder that has a file for each session.
    pub folder: PathBuf,
    /// What a loss of power may take.
    pub durability: Durability,
    /// How much room a new journal has for records, in bytes; one that is there stays as long as it is.
    pub ring_len: u64,
    /// How many messages can be sent again.
    pub messages_max: usize,
    /// How often what was written is synced, with `async` and `sync`.
    pub flush_interval: Duration,
}

impl StorePlan {
    /// In this folder, with the defaults: `async`, 64 MiB, 65,536 messages, every 10 ms.
    pub fn new(folder: impl Into<PathBuf>) -> StorePlan {
        StorePlan {
            folder: folder.into(),
            durability: Durability::Async,
            ring_len: 64 << 20,
            messages_max: 65_536,
            flush_interval: Duration::from_millis(10),
        }
    }

    /// The file of the session of this [identity](identity_of).
    pub fn path_of(&self, identity: &[u8]) -> PathBuf {
        self.folder.join(identity::file_name(identity))
    }
}

/// How many numbers are reserved ahead of those in use: after a loss of power as many may be skipped.
const AHEAD: u32 = 16_384;

/// The end of every journal's name.
pub const EXTENSION: &str = "journal";

/// A file's memory, which is synced as the plan has it.
#[derive(Debug)]
pub struct FileMedium {
    mapped: Mapped,
    shared: Arc<Shared>,
    flusher: Option<Flusher>,
    durability: Durability,
    flush_interval: Duration,
}

impl FileMedium {
    fn new(mapped: Mapped, plan: &StorePlan) -> FileMedium {
        let (durability, flush_interval) = (plan.durability, plan.flush_interval);
        FileMedium { mapped, shared: Arc::default(), flusher: None, durability, flush_interval }
    }
}

impl Medium for FileMedium {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.mapped.bytes()
    }

    #[inline]
    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.mapped.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    #[inline]
    fn write_word(&mut self, at: usize, word: u64) {
        self.mapped.bytes_mut()[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    fn sync(&mut self, range: Range<usize>) -> Result<(), StoreFailed> {
        self.mapped.sync(range).map_err(|error| {
            self.shared.fail(&error);
            StoreFailed
        })
    }

    #[inline]
    fn took(&mut self, taken: Taken) {
        self.shared.took(taken);
    }

    #[inline]
    fn proven(&self) -> Proven {
        self.shared.proven()
    }

    fn opened(&mut self, ledger: Ledger) {
        self.shared.took(ledger.taken());
        let work = Work {
            file: self.mapped.file(),
            pages: self.mapped.pages(),
            durability: self.durability,
            interval: self.flush_interval,
        };
        match Flusher::start(&self.shared, work, ledger) {
            Ok(flusher) => self.flusher = Some(flusher),
            Err(error) => self.shared.fail(&error),
        }
    }

    fn closing(&mut self) {
        self.flusher = None;
    }
}

/// The file of a journal that is closed, open and locked. Its lock is that of every handle that was made of this one, in
/// whatever process.
#[derive(Debug)]
pub struct HeldFile(Arc<File>);

impl HeldFile {
    /// One that another process has passed on.
    pub fn passed(file: OwnedFd) -> HeldFile {
        HeldFile(Arc::new(file.into()))
    }
}

impl AsFd for HeldFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The store of a session in a file. Closed when it goes: everything is synced then.
#[derive(Debug)]
pub struct FileStore {
    journal: Journal<FileMedium>,
    path: PathBuf,
    /// Its lock stays when it goes.
    is_held: bool,
}

impl FileStore {
    /// Takes up the journal of the session of this [identity](identity_of), or begins one. It waits for the disk.
    ///
    /// # Errors
    /// [`OpenError`], in words that say what to do; a journal that was there is as it was.
    pub fn open(plan: &StorePlan, identity: &[u8]) -> Result<FileStore, OpenError> {
        let path = plan.path_of(identity);
        let failed = |error| OpenError::io(&path, &error);
        fs::create_dir_all(&plan.folder).map_err(|error| OpenError::io(&plan.folder, &error))?;
        if !path.try_exists().map_err(failed)? {
            identity::take_over(plan, identity, &path)?;
        }
        if !path.try_exists().map_err(failed)? {
            create(&path, &header(identity, plan.ring_len).map_err(failed)?, |medium, header| {
                journal::format(medium, header, utc_ns())
            })?;
        }
        FileStore::of(locked(&path)?, path, plan, identity)
    }

    /// The same of a file that [was held](FileStore::hold) open and locked since it was closed, here or in another process
    /// that has passed it on.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn reopen(
        held: &HeldFile,
        plan: &StorePlan,
        identity: &[u8],
    ) -> Result<FileStore, OpenError> {
        let path = plan.path_of(identity);
        let file = held.0.try_clone().map_err(|error| OpenError::io(&path, &error))?;
        FileStore::of(file, path, plan, identity)
    }

    fn of(
        file: File,
        path: PathBuf,
        plan: &StorePlan,
        identity: &[u8],
    ) -> Result<FileStore, OpenError> {
        let failed = |error| OpenError::io(&path, &error);
        let len = whole_len(&file, &path)?;
        let mapped = Mapped::new(file, len).map_err(failed)?;
        // One of before sub-IDs were in it has been given its name, and says less of itself.
        let said = Header::at_front(mapped.bytes()).map(|header| header.identity);
        let before = identity::without_sub_ids(identity);
        let identity = before.filter(|before| said.as_deref() == Some(before)).unwrap_or(identity);
        let medium = FileMedium::new(mapped, plan);
        let shared = Arc::clone(&medium.shared);
        let settings = (plan.durability, plan.messages_max);
        let opened = Journal::open(medium, identity, settings, boot_id(), utc_ns());
        match opened {
            Ok(journal) if !journal.has_failed() => Ok(FileStore { journal, path, is_held: false }),
            Ok(_) | Err(Refused::Failed) => {
                Err(OpenError::Failed { why: shared.why_failed().unwrap_or_default(), path })
            }
            Err(refused) => Err(OpenError::Refused { path, refused }),
        }
    }

    /// Closes the journal, and keeps its file open and locked: nobody else takes it up before
    /// [`reopen`](FileStore::reopen). It waits for the disk.
    pub fn hold(mut self) -> HeldFile {
        self.is_held = true;
        HeldFile(self.journal.medium().mapped.file())
    }

    /// With what the session goes on.
    pub fn resumption(&self) -> &Resumption {
        self.journal.resumption()
    }

    /// The application has been told which numbers' fate is unknown: it is not told again.
    pub fn told(&mut self) {
        self.journal.told();
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How durable it is.
    pub fn durability(&self) -> Durability {
        self.journal.durability()
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        // What cannot be synced is found by the next opening.
        let _ = self.journal.close(utc_ns());
        // To close the file is not enough: a process that another thread has begun has it open too until it runs its program.
        if !self.is_held {
            let _ = self.journal.medium().mapped.file().unlock();
        }
    }
}

impl Store for FileStore {
    #[inline]
    fn next_out(&self) -> u32 {
        self.journal.next_out()
    }

    #[inline]
    fn admits(&self) -> Result<(), NotNow> {
        self.journal.admits()
    }

    #[inline]
    fn set_next_out(&mut self, seq: u32) -> Result<(), StoreFailed> {
        self.journal.set_next_out(seq)
    }

    #[inline]
    fn next_in(&self) -> u32 {
        self.journal.next_in()
    }

    #[inline]
    fn set_next_in(&mut self, seq: u32) {
        self.journal.set_next_in(seq);
    }

    #[inline]
    fn put(&mut self, seq: u32, message: &[u8]) -> Result<(), StoreFailed> {
        self.journal.put(seq, message)
    }

    fn first_from(&self, seq: u32) -> Option<(u32, &[u8])> {
        self.journal.first_from(seq)
    }

    fn forgotten_below(&self) -> u32 {
        self.journal.forgotten_below()
    }

    fn reset(&mut self, time: UtcTime) {
        self.journal.reset(time);
    }

    fn renumber(
        &mut self,
        next_out: u32,
        next_in: u32,
        created_at: Option<UtcTime>,
    ) -> Result<(), StoreFailed> {
        self.journal.renumber(next_out, next_in, created_at)
    }

    fn created_at(&self) -> Option<UtcTime> {
        self.journal.created_at()
    }

    fn set_created_at(&mut self, time: UtcTime) {
        self.journal.set_created_at(time);
    }

    fn settle(&mut self) -> Result<(), StoreFailed> {
        self.journal.settle()
    }
}

/// A journal's file, read whole to be looked at: what is missing of its length is zeros.
#[derive(Debug)]
pub struct ReadFile {
    /// What it says.
    pub survey: Survey,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How long the file is, in bytes.
    pub len: u64,
    /// Another process has it open.
    pub is_in_use: bool,
    boot: Option<BootId>,
}

impl ReadFile {
    /// Reads a file, and writes nothing.
    ///
    /// # Errors
    /// [`OpenError`]: it cannot be read, or is no journal.
    pub fn of(path: &Path) -> Result<ReadFile, OpenError> {
        let failed = |error| OpenError::io(path, &error);
        let mut file = File::open(path).map_err(failed)?;
        let is_in_use = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        // As when a store is closed. Where it was not locked there is nothing to unlock.
        let _ = file.unlock();
        let len = bytes.len() as u64;
        if let Some(header) = Header::at_front(&bytes) {
            bytes.resize(header.file_len(), 0);
        }
        let refused =
            |why| OpenError::Refused { path: path.to_owned(), refused: Refused::NotAJournal(why) };
        let survey = Survey::of(&bytes).map_err(refused)?;
        Ok(ReadFile { survey, bytes, len, is_in_use, boot: boot_id() })
    }

    /// What is damaged: none of a file that is in use.
    pub fn damage(&self) -> Vec<journal::Damage> {
        self.survey.damage(self.boot)
    }

    /// What is whole.
    pub fn intact(&self) -> Intact {
        Intact::of(&self.survey, self.boot)
    }

    /// Writes what is whole into a new file, which must not be there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn salvage(&self, to: &Path) -> Result<(), OpenError> {
        let Header { identity, ring_len, .. } = &self.survey.header;
        let header = header(identity, *ring_len).map_err(|error| OpenError::io(to, &error))?;
        create(to, &header, |medium, header| {
            journal::salvage(&self.survey, &self.bytes, self.boot, (medium, header), utc_ns())
                .map(|_| ())
        })
    }
}

/// The header of a new journal.
fn header(identity: &[u8], ring_len: u64) -> io::Result<Header> {
    let mut id = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut id)?;
    let ring_len =
        ring_len.clamp(RING_LEN_MIN, RING_LEN_MAX).next_multiple_of(journal::PAGE as u64);
    Ok(Header { identity: identity.to_vec(), id: u64::from_le_bytes(id), ring_len, ahead: AHEAD })
}

/// A new journal, which `fill` writes, under its name once it is whole and on the disk.
fn create(
    path: &Path,
    header: &Header,
    fill: impl FnOnce(&mut FileMedium, &Header) -> Result<(), StoreFailed>,
) -> Result<(), OpenError> {
    let failed = |error| OpenError::io(path, &error);
    let begun = path.with_extension(format!("{EXTENSION}.new-{}", std::process::id()));
    let made = || -> io::Result<()> {
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&begun)?;
        file.set_len(header.file_len() as u64)?;
        let plan = StorePlan { durability: Durability::None, ..StorePlan::new("") };
        let mut medium = FileMedium::new(Mapped::new(file, header.file_len())?, &plan);
        let shared = Arc::clone(&medium.shared);
        fill(&mut medium, header)
            .map_err(|_| io::Error::other(shared.why_failed().unwrap_or_default()))?;
        medium.mapped.file().sync_all()?;
        // A name that is there already stays whose it is.
        fs::hard_link(&begun, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    let made = made();
    let _ = fs::remove_file(&begun);
    made.map_err(failed)
}

/// The file, ours alone.
fn locked(path: &Path) -> Result<File, OpenError> {
    let failed = |error| OpenError::io(path, &error);
    let file = File::options().read(true).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// How long the file is, which is as long as its header says.
fn whole_len(file: &File, path: &Path) -> Result<usize, OpenError> {
    let failed = |error| OpenError::io(path, &error);
    let len = file.metadata().map_err(failed)?.len();
    let mut front = vec![0; journal::PAGE];
    // Whoever held it before has read from it, too.
    let read = file.read_at(&mut front, 0).map_err(failed)?;
    match Header::at_front(&front[..read]) {
        Some(header) if header.file_len() as u64 != len => Err(OpenError::Length {
            path: path.to_owned(),
            len,
            expected: header.file_len() as u64,
        }),
        _ if len < journal::PAGE as u64 => {
            Err(OpenError::Length { path: path.to_owned(), len, expected: journal::PAGE as u64 })
        }
        _ => Ok(len as usize),
    }
}

/// Which running system this is (`/proc/sys/kernel/random/boot_id`); `None` where it cannot be told.
fn boot_id() -> Option<BootId> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    (digits.len() == 32)
        .then(|| u128::from_str_radix(&digits, 16).ok())
        .flatten()
        .map(u128::to_be_bytes)
}

fn utc_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
