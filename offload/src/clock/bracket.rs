//! One clock's reading between two of another's: the only evidence there is of how they stand.

/// A clock was read between two readings of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// The host's clock before.
    pub before: u64,
    /// The other clock: a device's, or the wall's in nanoseconds since 1970.
    pub reading: u64,
    /// The host's clock after.
    pub after: u64,
}

impl Bracket {
    /// How far the two host readings are apart, in its ticks; `None` where the second is the
    /// earlier, as on cores whose counters do not agree.
    pub const fn width(&self) -> Option<u64> {
        self.after.checked_sub(self.before)
    }

    /// The one of several that says most: the narrowest. Take a handful in a row, keep this one.
    pub fn narrowest(brackets: impl IntoIterator<Item = Bracket>) -> Option<Bracket> {
        brackets.into_iter().filter(|one| one.width().is_some()).min_by_key(Bracket::width)
    }

    /// The host's reading halfway, and how far the truth can be from the middle of that tick: each
    /// reading names the tick that it fell into, so the last one counts whole.
    pub(super) const fn middle(&self) -> Option<(u64, u64)> {
        match self.width() {
            Some(width) => Some((self.before + width / 2, width - width / 2 + 1)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bracket(before: u64, after: u64) -> Bracket {
        Bracket { before, reading: 7, after }
    }

    #[test]
    fn the_narrowest_is_kept_and_one_that_runs_backwards_is_none() {
        let several = [bracket(10, 90), bracket(100, 120), bracket(220, 200), bracket(300, 360)];
        assert_eq!(Bracket::narrowest(several), Some(bracket(100, 120)));
        assert_eq!(Bracket::narrowest([bracket(2, 1)]), None);
        assert_eq!(Bracket::narrowest([]), None);
    }

    #[test]
    fn the_middle_is_within_its_error_of_every_moment_in_the_bracket() {
        for (before, after) in [(5, 5), (5, 6), (5, 7), (5, 8), (0, 201)] {
            let (middle, error) = bracket(before, after).middle().expect("not backwards");
            // The moment lies from the start of the first tick to the end of the last.
            assert!(middle - before <= error && after + 1 - middle <= error, "{before} {after}");
        }
        assert_eq!(bracket(6, 5).middle(), None);
    }
}
