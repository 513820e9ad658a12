//! How often the driver of a port that runs is asked for the link, on the thread that polls.

use std::time::{Duration, Instant};

use fixwire_offload::nic::Link;

/// From one question to the next, where no interrupt keeps ethdev's record: the driver may ask the kernel, or the device.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What was heard of the link, and when the driver was last asked.
#[derive(Debug, Default)]
pub(super) struct LinkLooks {
    newest: Option<(Link, Instant)>,
}

impl LinkLooks {
    /// The link now, by `read`: at every look where it reads the record that the driver keeps by itself (`is_told`), once in
    /// a while where it is a question to the driver.
    pub(super) fn look(
        &mut self,
        is_told: bool,
        now: Instant,
        read: impl FnOnce() -> bool,
    ) -> Link {
        if let Some((link, asked)) = self.newest
            && !is_told
            && now.saturating_duration_since(asked) < ASK_EVERY
        {
            return link;
        }
        let link = if read() { Link::Up } else { Link::Down };
        self.newest = Some((link, now));
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_keeps_no_record_is_asked_once_a_second_and_a_record_is_read_at_every_look() {
        for (is_told, asked) in [(false, 2), (true, 12)] {
            let mut looks = LinkLooks::default();
            let (begin, mut count) = (Instant::now(), 0);
            for look in 0..12 {
                let now = begin + look * Duration::from_millis(100);
                let link = looks.look(is_told, now, || {
                    count += 1;
                    count == 1
                });
                assert_eq!(link, if count == 1 { Link::Up } else { Link::Down }, "{look}");
            }
            assert_eq!(count, asked);
        }
    }
}
