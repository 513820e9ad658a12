//! What is printed while scripts run: a line for each, in order, as soon as all before it are done; and how many are,
//! where somebody watches.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use super::run::Verdict;

/// Takes a line of a terminal back.
const BACK: &str = "\r\x1b[K";

pub(super) struct Progress<'a> {
    suite: &'a Path,
    scripts: &'a [PathBuf],
    /// What is known of scripts behind one that is not done.
    waiting: BTreeMap<usize, Verdict>,
    next: usize,
    totals: [usize; 3],
    is_watched: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(suite: &'a Path, scripts: &'a [PathBuf]) -> Progress<'a> {
        let is_watched = std::io::stderr().is_terminal();
        let waiting = BTreeMap::new();
        Progress { suite, scripts, waiting, next: 0, totals: [0; 3], is_watched }
    }

    /// The script at `index` is done.
    pub(super) fn note(&mut self, index: usize, verdict: Verdict) {
        self.waiting.insert(index, verdict);
        if self.is_watched {
            eprint!("{BACK}");
        }
        while let Some(verdict) = self.waiting.remove(&self.next) {
            println!("{}", self.line(&verdict));
            self.totals[verdict.place()] += 1;
            self.next += 1;
        }
        if self.is_watched {
            // What was printed comes first, wherever the two lead.
            let _ = std::io::stdout().flush();
            let (done, all) = (self.next + self.waiting.len(), self.scripts.len());
            if done < all {
                eprint!("{done} of {all}, {} failed", self.totals[1]);
            }
        }
    }

    fn line(&self, verdict: &Verdict) -> String {
        let script = &self.scripts[self.next];
        let name = script.strip_prefix(self.suite).ok().filter(|name| *name != Path::new(""));
        let name = name.unwrap_or(script).display();
        match verdict {
            Verdict::Passed => format!("passed          {name}"),
            Verdict::Failed(why) => format!("FAILED          {name}: {why}"),
            Verdict::NotApplicable(why) => format!("not applicable  {name}: {why}"),
        }
    }

    /// How many passed, failed, are not applicable.
    pub(super) fn totals(&self) -> [usize; 3] {
        self.totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_early_waits_for_what_comes_before_it() {
        let scripts = ["/s/a.pkt", "/s/b/c.pkt"].map(PathBuf::from);
        let mut progress = Progress::new(Path::new("/s"), &scripts);
        progress.note(1, Verdict::Failed("why".into()));
        assert_eq!((progress.next, progress.totals()), (0, [0; 3]));
        progress.note(0, Verdict::Passed);
        assert_eq!((progress.next, progress.totals()), (2, [1, 1, 0]));
        progress.next = 1;
        assert_eq!(progress.line(&Verdict::Failed("why".into())), "FAILED          b/c.pkt: why");
    }
}
