//! What a connection seldom looks at, apart from it: in a place of its own, which is there from the start and
//! moves on when the connection begins anew.

use core::ops::{Deref, DerefMut};

use super::codec::{Codec, In, Out};
use super::config::Config;
use super::connection::Connection;
use super::grouping::{ENDS_LEN, Grouping};
use super::reassembly::Reassembly;
use super::second_looks::SecondLooks;
use super::snapshot::SnapshotRefusal;
use super::terms::KeptTerms;
use super::undo::Undo;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// What lies there.
pub(super) struct Seldom {
    pub(super) terms: KeptTerms,
    pub(super) undo: Option<Undo>,
    pub(super) second_looks: SecondLooks,
    /// From when on an answer to the oldest byte in flight is waited for, and which that is; never, if that is not known.
    pub(super) stalled_since: Instant,
    pub(super) stalled_una: SeqNumber,
    /// When a larger size of segments is [tried again](super::path_mtu).
    pub(super) raise_mtu_at: Instant,
    /// What both ends take: a full segment's payload where nothing on the way is smaller.
    pub(super) ends_mss: u16,
    pub(super) grouping: Grouping,
    pub(super) held: Reassembly,
}

/// A connection in all, but for its buffers. Those are the rings, and the lists of where in them something lies, which hold
/// nothing but places of data and are as long as there may be data: of what is in flight and of messages, which are allocated
/// by the length of the send buffer; of what is held ahead of its turn, and by which segment it came; and of where in the send
/// buffer segments are to end.
const _: () = {
    let lists = size_of::<Reassembly>() + ENDS_LEN;
    assert!(size_of::<Connection>() + size_of::<Seldom>() - lists <= 1024);
};

impl Seldom {
    fn new(config: &Config) -> Seldom {
        Seldom {
            terms: KeptTerms::of(&config.terms()),
            undo: None,
            second_looks: SecondLooks::NONE,
            stalled_since: Instant::FAR_FUTURE,
            stalled_una: SeqNumber(0),
            raise_mtu_at: Instant::FAR_FUTURE,
            ends_mss: config.mss,
            grouping: Grouping::NONE,
            held: Reassembly::new(),
        }
    }

    /// As a new one, without allocating.
    fn begin(&mut self, config: &Config) {
        (self.terms, self.undo) = (KeptTerms::of(&config.terms()), None);
        self.second_looks = SecondLooks::NONE;
        (self.stalled_since, self.raise_mtu_at) = (Instant::FAR_FUTURE, Instant::FAR_FUTURE);
        self.ends_mss = config.mss;
        self.grouping = Grouping::NONE;
        self.held.clear();
    }

    /// All of it but what is held, which is written with the bytes.
    pub(super) fn put(&self, out: &mut Out<'_>) {
        let Seldom { terms, undo, second_looks, grouping, held: _, .. } = self;
        let Seldom { stalled_since, stalled_una, raise_mtu_at, ends_mss, .. } = self;
        ((*terms, *grouping), (*undo, *second_looks)).put(out);
        ((*stalled_since, *stalled_una), (*raise_mtu_at, *ends_mss)).put(out);
    }

    pub(super) fn take(&mut self, from: &mut In<'_>) -> Result<(), SnapshotRefusal> {
        ((self.terms, self.grouping), (self.undo, self.second_looks)) = Codec::take(from)?;
        ((self.stalled_since, self.stalled_una), (self.raise_mtu_at, self.ends_mss)) =
            Codec::take(from)?;
        Ok(())
    }
}

/// The place, or none where a connection is [begun](Apart::begin).
pub(super) struct Apart(Option<Box<Seldom>>);

/// Why there is a place.
const NOT_MOVED: &str = "nobody looks at what is being moved";

impl Apart {
    /// None at all, and nothing allocated.
    pub(super) const NONE: Apart = Apart(None);

    pub(super) fn new(config: &Config) -> Apart {
        Apart(Some(Box::new(Seldom::new(config))))
    }

    /// The same place, taken away, for a connection that begins.
    pub(super) fn begin(&mut self, config: &Config) -> Apart {
        self.deref_mut().begin(config);
        core::mem::replace(self, Apart::NONE)
    }
}

impl Deref for Apart {
    type Target = Seldom;

    #[inline(always)]
    fn deref(&self) -> &Seldom {
        self.0.as_deref().expect(NOT_MOVED)
    }
}

impl DerefMut for Apart {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Seldom {
        self.0.as_deref_mut().expect(NOT_MOVED)
    }
}
