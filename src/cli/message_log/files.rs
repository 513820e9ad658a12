//! The files of a log: their names, when a new one begins, and what becomes of the old.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::super::called::Called;
use super::super::failure::Failure;
use super::super::session_file::SessionSettings;
use super::{LogForm, is_folder};

const S_PER_DAY: u64 = 86_400;
/// Old files of one name that are looked for a free number among.
const BACKUPS_MAX: u32 = 1_000_000;
/// Bytes between two looks at what a file's name stands for.
const LOOK_EACH: u64 = 64 * 1024;

/// When a new file begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rotation {
    /// Before one is longer than this, in bytes.
    pub(super) len_max: u64,
    /// With each day, UTC.
    pub(super) daily: bool,
}

/// A file that is added to, and not always by us alone: of two processes of which one hands over to the other, both write to
/// it for a moment, and both may find it full.
pub(super) struct LogFile {
    folder: PathBuf,
    /// What stands before `.current.` in its name, and its ending.
    name: String,
    ending: &'static str,
    out: BufWriter<File>,
    len: u64,
    day: u64,
    /// Bytes added since the last look.
    unseen: u64,
    rotation: Rotation,
}

impl LogFile {
    fn open(
        folder: &Path,
        name: String,
        ending: &'static str,
        rotation: Rotation,
    ) -> io::Result<LogFile> {
        let (out, len, day) = open(&folder.join(format!("{name}.current.{ending}")))?;
        let folder = folder.to_owned();
        // It is looked at before the first line: much may have passed since.
        Ok(LogFile { folder, name, ending, out, len, day, unseen: LOOK_EACH, rotation })
    }

    /// Adds a line, which has its end, at `unix_s`.
    pub(super) fn add(&mut self, line: &[u8], unix_s: u64) -> io::Result<()> {
        let (len, day) = (line.len() as u64, unix_s / S_PER_DAY);
        if self.unseen + len > LOOK_EACH {
            self.look()?;
        }
        if self.is_over_before(len, day) {
            // Another process may have just ended it.
            self.look()?;
            if self.is_over_before(len, day) {
                self.rotate()?;
            }
        }
        if self.len == 0 {
            self.day = day;
        }
        self.day = self.day.max(day);
        self.out.write_all(line)?;
        self.len += len;
        self.unseen += len;
        Ok(())
    }

    /// Whether a line of this length and day begins another file.
    fn is_over_before(&self, len: u64, day: u64) -> bool {
        let is_full = self.len > 0 && self.len + len > self.rotation.len_max;
        // A day that goes back begins no file: clocks are set.
        is_full || (self.rotation.daily && self.len > 0 && day > self.day)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn current(&self) -> PathBuf {
        self.folder.join(format!("{}.current.{}", self.name, self.ending))
    }

    /// Goes on in the file that has the name now, and by its length.
    fn look(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.unseen = 0;
        let ours = self.out.get_ref().metadata()?;
        match fs::metadata(self.current()) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {
                self.len = named.len();
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => (self.out, self.len, self.day) = open(&self.current())?,
        }
        Ok(())
    }

    /// Keeps the file under the next free number, as QuickFIX does, and begins another.
    fn rotate(&mut self) -> io::Result<()> {
        let current = self.current();
        let backup =
            |number| self.folder.join(format!("{}.backup.{number}.{}", self.name, self.ending));
        let mut free = (1..BACKUPS_MAX).map(backup).filter(|path| !path.exists());
        loop {
            let to = free.next();
            let to = to.ok_or_else(|| io::Error::other("no number for an old file is free"))?;
            match keep_as(&current, &to) {
                // Another process has taken the number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // Or has just kept the file, and not begun the next.
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                kept => break kept?,
            }
        }
        (self.out, self.len, _) = open(&current)?;
        Ok(())
    }
}

/// Gives a file a name that no other has.
fn keep_as(file: &Path, name: &Path) -> io::Result<()> {
    match renameat_with(CWD, file, CWD, name, RenameFlags::NOREPLACE) {
        // The file system knows no such thing.
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(file, name),
        kept => Ok(kept?),
    }
}

/// A file to be added to, how long it is, and the day of its last change.
fn open(path: &Path) -> io::Result<(BufWriter<File>, u64, u64)> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let about = file.metadata()?;
    let changed = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((BufWriter::new(file), about.len(), changed.as_secs() / S_PER_DAY))
}

/// One kind of what is logged of a session, in the forms that were asked for.
#[derive(Default)]
pub(super) struct Pair {
    pub(super) quickfix: Option<LogFile>,
    pub(super) json: Option<LogFile>,
}

impl Pair {
    fn open(folder: &Path, name: &str, form: LogForm, rotation: Rotation) -> io::Result<Pair> {
        let file = |ending| LogFile::open(folder, name.to_owned(), ending, rotation);
        let quickfix = (form != LogForm::Json).then(|| file("log")).transpose()?;
        let json = (form != LogForm::Quickfix).then(|| file("jsonl")).transpose()?;
        Ok(Pair { quickfix, json })
    }

    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut LogFile> {
        self.quickfix.iter_mut().chain(&mut self.json)
    }
}

/// The files of a session; none where it has no log.
#[derive(Default)]
pub(super) struct OfSession {
    pub(super) messages: Pair,
    pub(super) events: Pair,
}

/// Every file of a log.
pub(super) struct Files {
    pub(super) sessions: Vec<OfSession>,
    /// What happens, and no session's.
    pub(super) global: Pair,
}

impl Files {
    pub(super) fn open(
        sessions: &[SessionSettings],
        folders: &[Option<PathBuf>],
        form: LogForm,
        rotation: Rotation,
    ) -> Result<Files, Failure> {
        let failed = |folder: &Path, error: io::Error| {
            let remedy = match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    "name a folder that you may write to"
                }
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on its disk",
                _ if error.raw_os_error() == Some(EMFILE) => {
                    "raise the process's limit of open files (`ulimit -n`): a log takes two for each session"
                }
                _ => "name another folder",
            };
            Failure::Input(format!("no log can be kept in {}: {error}; {remedy}", folder.display()))
        };
        let pair = |folder: &Path, name: &str| {
            Pair::open(folder, name, form, rotation).map_err(|error| failed(folder, error))
        };
        let mut files = Files { sessions: Vec::new(), global: Pair::default() };
        let mut taken = HashMap::new();
        for (session, folder) in sessions.iter().zip(folders) {
            let Some(folder) = folder else {
                files.sessions.push(OfSession::default());
                continue;
            };
            if !is_folder(folder) {
                fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
            }
            let called = Called::by_settings(session);
            let name = called.file_stem();
            if let Some(other) = taken.insert((folder, name.clone()), called) {
                return Err(Failure::Input(format!(
                    "the log of the sessions {} and {} would be in the same files, {name}; give one of them another CompID, \
                     or a `file_log_path` of its own",
                    other.name(),
                    called.name()
                )));
            }
            files.sessions.push(OfSession {
                messages: pair(folder, &format!("{name}.messages"))?,
                events: pair(folder, &format!("{name}.event"))?,
            });
            if files.global.each().next().is_none() {
                files.global = pair(folder, "GLOBAL.event")?;
            }
        }
        Ok(files)
    }

    /// Every file there is.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut LogFile> {
        let of_sessions =
            self.sessions.iter_mut().flat_map(|of| of.messages.each().chain(of.events.each()));
        of_sessions.chain(self.global.each())
    }
}

/// EMFILE of Linux.
const EMFILE: i32 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_full_is_kept_under_the_next_free_number() {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation { len_max: 10, daily: false };
        let open = || LogFile::open(folder.path(), "A.messages".into(), "log", rotation).unwrap();
        let mut file = open();
        for line in ["12345\n", "6789\n", "a line that is too long for any\n", "b\n"] {
            file.add(line.as_bytes(), 0).unwrap();
        }
        drop(file);
        let mut file = open();
        file.add(b"12345678\n", 0).unwrap();
        file.flush().unwrap();
        let of = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(of("A.messages.backup.1.log"), "12345\n");
        assert_eq!(of("A.messages.backup.2.log"), "6789\n");
        assert_eq!(of("A.messages.backup.3.log"), "a line that is too long for any\n");
        assert_eq!(of("A.messages.backup.4.log"), "b\n");
        assert_eq!(
            (of("A.messages.current.log").as_str(), names(folder.path()).len()),
            ("12345678\n", 5)
        );
    }

    #[test]
    fn two_that_write_to_one_file_keep_it_in_parts_and_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let len_max = 2 * LOOK_EACH;
        let rotation = Rotation { len_max, daily: false };
        let open = || LogFile::open(folder.path(), "A.messages".into(), "log", rotation).unwrap();
        let line = |of: char, number: u32| format!("{of}{number:099}\n");
        let (mut old, mut new) = (open(), open());
        // The second one is opened, and then has nothing to say before the first has begun another file.
        for number in 0..2_000 {
            old.add(line('a', number).as_bytes(), 0).unwrap();
        }
        for number in 0..4_000 {
            old.add(line('b', number).as_bytes(), 0).unwrap();
            new.add(line('c', number).as_bytes(), 0).unwrap();
        }
        old.flush().unwrap();
        new.flush().unwrap();
        let mut lines = Vec::new();
        for name in names(folder.path()) {
            let text = fs::read_to_string(folder.path().join(&name)).unwrap();
            assert!(text.len() as u64 <= len_max + 2 * LOOK_EACH, "{name}: {}", text.len());
            lines.extend(text.lines().map(|of| format!("{of}\n")));
        }
        lines.sort_unstable();
        let all = [('a', 2_000), ('b', 4_000), ('c', 4_000)];
        let all = all.map(|(of, many)| (0..many).map(move |number| line(of, number)));
        assert!(lines.iter().eq(&all.into_iter().flatten().collect::<Vec<_>>()));
        // What an operator took away is begun anew.
        fs::remove_file(old.current()).unwrap();
        old.look().unwrap();
        assert_eq!(fs::metadata(old.current()).unwrap().len(), 0);
    }

    #[test]
    fn a_name_that_is_taken_stays_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
        fs::write(&a, "a").unwrap();
        fs::write(&b, "b").unwrap();
        assert_eq!(keep_as(&a, &b).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&b).unwrap(), "b");
    }

    #[test]
    fn a_day_begins_a_file_and_a_clock_that_is_set_back_none() {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation { len_max: 1_000, daily: true };
        let mut file = LogFile::open(folder.path(), "A.event".into(), "jsonl", rotation).unwrap();
        for (line, unix_s) in [("a\n", 86_399), ("b\n", 86_400), ("c\n", 86_399), ("d\n", 86_401)] {
            file.add(line.as_bytes(), unix_s).unwrap();
        }
        file.flush().unwrap();
        let of = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (of("A.event.backup.1.jsonl"), of("A.event.current.jsonl")),
            ("a\n".into(), "b\nc\nd\n".into())
        );
    }

    #[test]
    fn sessions_that_differ_by_a_sub_id_have_files_of_their_own_and_those_of_one_name_are_refused()
    {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation { len_max: 10, daily: false };
        let open = |sessions: &[SessionSettings]| {
            let folders = vec![Some(folder.path().to_owned()); sessions.len()];
            Files::open(sessions, &folders, LogForm::Quickfix, rotation).map(drop)
        };
        let mut sessions = vec![SessionSettings::default(); 3];
        sessions[1].agreement.sender_sub_id = Some("ANN".into());
        sessions[2].agreement.sender_sub_id = Some("BOB".into());
        open(&sessions).unwrap();
        let found = names(folder.path());
        for stem in ["FIXWIRE-EXCHANGE", "FIXWIRE-EXCHANGE-ANN---", "FIXWIRE-EXCHANGE-BOB---"] {
            let name = format!("FIX.4.4-{stem}.messages.current.log");
            assert!(found.contains(&name), "{name}: {found:?}");
        }
        let [mut one, mut other] = [(); 2].map(|()| SessionSettings::default());
        (one.sender_comp_id, other.sender_comp_id) = ("A/B".into(), "A_B".into());
        let said = open(&[one, other]).unwrap_err().to_string();
        assert!(said.contains("FIX.4.4:A/B->EXCHANGE and FIX.4.4:A_B->EXCHANGE"), "{said}");
    }
}
