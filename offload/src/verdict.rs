//! What a device says of a checksum, and what that is worth.
//!
//! The policy stands once, in [`TABLE`]. The rule behind it: a frame is dropped only when its bytes
//! are wrong, and accepted unseen only when the device vouches for it in a way that the plan allows.

use core::fmt;

use crate::number::decimal;

/// What a device says of one layer's checksum, for one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// Nothing.
    #[default]
    Unknown = 0,
    /// Checked, and found wrong.
    Bad = 1,
    /// Checked, and found right.
    Good = 2,
    /// The data is vouched for, the field is not finished: it holds the pseudo-header's sum
    /// (`VIRTIO_NET_HDR_F_NEEDS_CSUM`, `RTE_MBUF_F_RX_L4_CKSUM_NONE`).
    None = 3,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Unknown => "unknown",
            Verdict::Bad => "bad",
            Verdict::Good => "good",
            Verdict::None => "none",
        })
    }
}

/// What is done with a frame before its payload is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Believed; verified in software at the audit rate only.
    TrustAudited,
    /// The field must hold the pseudo-header's sum and be the one that the device points at.
    CheckPartial,
    /// Verified in software on the bytes, which decide.
    Verify,
}

/// Where the plan stands on the device's word for this layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The plan leaves this check to the device, and no observation has refuted it.
    pub trusted: bool,
    /// The plan says that this device hands over unfinished checksums. It goes on doing so when its `good`
    /// has been refuted.
    pub gives_none: bool,
}

/// One line of the policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRow {
    /// What the device said.
    pub verdict: Verdict,
    /// What is done when the plan trusts the device here: of `none`, when it says that this device gives it.
    pub trusted: Treatment,
    /// What is done when it does not.
    pub untrusted: Treatment,
    /// Why, for people.
    pub why: &'static str,
}

/// The policy, whole, indexed by the verdict's number.
pub const TABLE: [PolicyRow; 4] = [
    PolicyRow {
        verdict: Verdict::Unknown,
        trusted: Treatment::Verify,
        untrusted: Treatment::Verify,
        why: "silence is no promise: mlx5 reports a corrupt segment this way",
    },
    PolicyRow {
        verdict: Verdict::Bad,
        trusted: Treatment::Verify,
        untrusted: Treatment::Verify,
        why: "a device may be wrong: only the bytes drop a frame, and a false alarm is counted",
    },
    PolicyRow {
        verdict: Verdict::Good,
        trusted: Treatment::TrustAudited,
        untrusted: Treatment::Verify,
        why: "believed for a whole IPv4/TCP frame, audited at rx_checksum_audit",
    },
    PolicyRow {
        verdict: Verdict::None,
        trusted: Treatment::CheckPartial,
        untrusted: Treatment::Verify,
        why: "the sender never finished the sum, so the bytes show nothing: accepted on the device's word, never \
              audited, only where the plan says this device does so, and only at our TCP checksum \
              field",
    },
];

/// Looks the verdict up in [`TABLE`].
#[inline]
pub fn treatment(verdict: Verdict, standing: Standing) -> Treatment {
    let row = &TABLE[verdict as usize];
    let believed = match verdict {
        Verdict::None => standing.gives_none,
        _ => standing.trusted,
    };
    if believed { row.trusted } else { row.untrusted }
}

/// How often a verdict of `good` is verified in software all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// Every frame: a false `good` is found at once.
    Always,
    /// One frame of each N, at a place in them that nothing which recurs can stay clear of. N is from 2 to
    /// [`Audit::ONE_IN_MAX`].
    OneIn(u32),
    /// Never: a false `good` is not found.
    Off,
}

impl Audit {
    /// The largest N of [`Audit::OneIn`]: nine digits.
    pub const ONE_IN_MAX: u32 = 999_999_999;

    /// Reads `always`, `1/N` or `off`.
    pub fn parse(text: &str) -> Option<Audit> {
        match text {
            "always" => Some(Audit::Always),
            "off" => Some(Audit::Off),
            _ => match decimal(text.strip_prefix("1/")?)? {
                1 => Some(Audit::Always),
                n @ 2..=Audit::ONE_IN_MAX => Some(Audit::OneIn(n)),
                _ => None,
            },
        }
    }

    /// How many wrong frames at most a device gets accepted whose every `good` is false from some frame
    /// on, once it has passed its proof; `None` where there is no bound.
    pub const fn wrong_frames_max(self) -> Option<u64> {
        match self {
            Audit::Always => Some(0),
            // Last of one N audited, and first of the next but one's end.
            Audit::OneIn(n) => Some(2 * n as u64 - 2),
            Audit::Off => None,
        }
    }

    /// How many wrong frames at most a device gets accepted that is wrong now and then, in 999 cases of
    /// 1000; `None` where there is no bound.
    pub const fn wrong_frames_in_999_of_1000(self) -> Option<u64> {
        match self {
            Audit::Always => Some(0),
            // (1 - 1/n)^k < 1/1000 for k > n ln 1000.
            Audit::OneIn(n) => Some(n as u64 * 6908 / 1000),
            Audit::Off => None,
        }
    }

    /// The bound in words.
    pub fn bound(self) -> String {
        match self {
            Audit::Always => "no frame that a checksum shows to be wrong is accepted".into(),
            Audit::OneIn(n) => format!(
                "a device whose every good is false is found after at most {} wrong frames; one that is \
                 wrong now and then, after {n} wrong frames on average, and in 999 cases of 1000 after \
                 fewer than {}; then it is not believed any more",
                2 * u64::from(n) - 2,
                // (1 - 1/n)^k < 1/1000 for k > n ln 1000.
                u64::from(n) * 6908 / 1000 + 1,
            ),
            Audit::Off => "none: a false good after the proof is never found".into(),
        }
    }
}

/// The first frames that a device vouches for are checked whatever the audit rate: its passive
/// proof.
pub const PROOF_FRAMES: u32 = 64;

/// What all of this is proof against, and what not.
pub const FAULT_MODEL: &str = "errors, in what is received, that the TCP checksum can detect: not two that \
    cancel out in its sum, such as swapped 16-bit words, nor a device that finishes the sum over what it has \
    damaged itself";

/// What is known of frames that are sent, which nothing of the above is about.
pub const FAULT_MODEL_OF_SENDING: &str = "none: what is sent is the peer's to judge. An offload of sending is \
    \"passive\" at most while it runs, and proven by `fixwire selftest` alone. A device that leaves undone what it \
    was to finish shows by tcp_retransmission growing while the peer is silent; then run `fixwire selftest`, and \
    write \"off\" for tx_ipv4_checksum and tx_tcp_checksum";

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Audit::Always => f.write_str("always"),
            Audit::OneIn(n) => write!(f, "1/{n}"),
            Audit::Off => f.write_str("off"),
        }
    }
}

/// Counts trusted frames and says which of them to audit.
#[derive(Clone, Copy, Debug)]
pub struct Auditor {
    interval: u64,
    until_next: u64,
    /// Frames of the present interval that follow the one to audit.
    after: u64,
    random: u64,
}

impl Auditor {
    /// Audits the first trusted frame, then at the rate.
    pub fn new(audit: Audit) -> Auditor {
        let auditor = |interval, until_next| Auditor {
            interval,
            until_next,
            after: interval - 1,
            random: 0x9e37_79b9_7f4a_7c15,
        };
        match audit {
            Audit::Always => auditor(1, 1),
            Audit::OneIn(n) => auditor(u64::from(n.max(1)), 1),
            // In no lifetime.
            Audit::Off => auditor(u64::MAX, u64::MAX),
        }
    }

    /// How many trusted frames pass before one is verified too.
    #[inline]
    pub fn before_due(&self) -> u64 {
        self.until_next.saturating_sub(1)
    }

    /// So many trusted frames have passed, no more than [come before](Auditor::before_due) the one that is due.
    #[inline]
    pub fn pass(&mut self, frames: u64) {
        self.until_next -= frames;
    }

    /// Whether this trusted frame is to be verified too.
    #[inline]
    pub fn due(&mut self) -> bool {
        self.until_next -= 1;
        let due = self.until_next == 0;
        if due {
            self.choose_next();
        }
        due
    }

    /// The same for one who counts by himself: how many frames it is to the next that is due, itself
    /// included.
    pub fn next_due(&mut self) -> u64 {
        let frames = self.until_next;
        if frames < u64::MAX {
            self.choose_next();
        }
        frames
    }

    /// Chooses the frame of the next interval: by chance, so that no fault that recurs stays clear of it.
    #[cold]
    fn choose_next(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let place = (u128::from(self.random) * u128::from(self.interval)) >> 64;
        self.until_next = self.after.saturating_add(place as u64 + 1);
        self.after = self.interval - 1 - place as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_good_and_none_are_ever_believed_and_only_where_the_plan_says_so() {
        let verdicts = [Verdict::Unknown, Verdict::Bad, Verdict::Good, Verdict::None];
        for verdict in verdicts {
            for (trusted, gives_none) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let found = treatment(verdict, Standing { trusted, gives_none });
                let expected = match (verdict, trusted, gives_none) {
                    (Verdict::Good, true, _) => Treatment::TrustAudited,
                    (Verdict::None, _, true) => Treatment::CheckPartial,
                    _ => Treatment::Verify,
                };
                assert_eq!(found, expected, "{verdict} trusted={trusted} gives_none={gives_none}");
            }
        }
    }

    #[test]
    fn the_table_is_indexed_by_verdict() {
        for (position, row) in TABLE.iter().enumerate() {
            assert_eq!(row.verdict as usize, position);
        }
    }

    #[test]
    fn each_verdict_keeps_its_number_and_its_name() {
        let fixed = [
            (Verdict::Unknown, 0, "unknown"),
            (Verdict::Bad, 1, "bad"),
            (Verdict::Good, 2, "good"),
            (Verdict::None, 3, "none"),
        ];
        for (verdict, number, name) in fixed {
            assert_eq!((verdict as u8, verdict.to_string().as_str()), (number, name));
        }
    }

    fn due(audit: Audit, frames: usize) -> Vec<bool> {
        let mut auditor = Auditor::new(audit);
        let next = |_| {
            let foreseen = auditor.before_due() == 0;
            let due = auditor.due();
            assert_eq!(foreseen, due);
            due
        };
        (0..frames).map(next).collect()
    }

    #[test]
    fn one_frame_of_each_n_is_audited_the_first_among_them() {
        for n in [2u32, 3, 4, 10, 64, 1000] {
            let due = due(Audit::OneIn(n), 200 * n as usize);
            assert!(due[0]);
            for block in due.chunks(n as usize) {
                assert_eq!(block.iter().filter(|due| **due).count(), 1, "1/{n}");
            }
            let audited: Vec<usize> = (0..due.len()).filter(|frame| due[*frame]).collect();
            let unseen = audited.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap();
            let bound = Audit::OneIn(n).wrong_frames_max().unwrap();
            assert!(unseen as u64 <= bound, "1/{n}: {unseen} in a row");
        }
    }

    #[test]
    fn a_fault_that_recurs_is_found_whatever_its_period_and_phase() {
        let n = 16;
        let due = due(Audit::OneIn(n), 40_000);
        for period in [2, 3, 4, 8, 16, 17, 32, 64] {
            for phase in 0..period {
                let wrong = due.iter().skip(phase).step_by(period);
                let unseen = wrong.take_while(|due| !**due).count();
                assert!(unseen < 15 * n as usize, "every {period}th from {phase}: {unseen}");
            }
        }
    }

    #[test]
    fn always_audits_every_frame_and_off_none() {
        assert!(due(Audit::Always, 1_000).iter().all(|due| *due));
        assert!(!due(Audit::Off, 1_000).iter().any(|due| *due));
    }

    #[test]
    fn audit_reads_what_it_writes_and_refuses_the_rest() {
        for text in ["always", "off", "1/64"] {
            assert_eq!(Audit::parse(text).map(|audit| audit.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Audit::parse("1/999999999"), Some(Audit::OneIn(Audit::ONE_IN_MAX)));
        for text in ["1/0", "2/3", "", "1/", "1/-1", "1/+8", "1/08", "1/1000000000", "sometimes"] {
            assert_eq!(Audit::parse(text), None, "{text}");
        }
    }
}
