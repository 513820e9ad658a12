//! What a device says of a checksum, and what that is worth.
//!
//! The policy stands once, in [`TABLE`]. The rule behind it: a frame is dropped only when its bytes
//! are wrong, and accepted unseen only when the device vouches for it in a way that the plan allows.

use core::fmt;

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
    /// The plan says that this device hands over unfinished checksums.
    pub gives_none: bool,
}

/// One line of the policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRow {
    /// What the device said.
    pub verdict: Verdict,
    /// What is done when the plan trusts the device here.
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
        why: "the sender never finished the sum: accepted only where the plan says this device does \
              so, and only at our TCP checksum field",
    },
];

/// Looks the verdict up in [`TABLE`].
#[inline]
pub fn treatment(verdict: Verdict, standing: Standing) -> Treatment {
    let row = &TABLE[verdict as usize];
    let believed = match verdict {
        Verdict::None => standing.trusted && standing.gives_none,
        _ => standing.trusted,
    };
    if believed { row.trusted } else { row.untrusted }
}

/// How often a verdict of `good` is verified in software all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// Every frame: a false `good` is found at once.
    Always,
    /// Each frame with this chance in N, evenly spaced: a device whose every `good` is false is
    /// found within N frames. N is at least 2.
    OneIn(u32),
    /// Never: a false `good` is not found.
    Off,
}

impl Audit {
    /// Reads `always`, `1/N` or `off`.
    pub fn parse(text: &str) -> Option<Audit> {
        match text {
            "always" => Some(Audit::Always),
            "off" => Some(Audit::Off),
            _ => match text.strip_prefix("1/")?.parse().ok()? {
                0 => None,
                1 => Some(Audit::Always),
                n => Some(Audit::OneIn(n)),
            },
        }
    }
}

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
}

impl Auditor {
    /// Audits the first trusted frame, then at the rate.
    pub fn new(audit: Audit) -> Auditor {
        match audit {
            Audit::Always => Auditor { interval: 1, until_next: 1 },
            Audit::OneIn(n) => Auditor { interval: u64::from(n.max(1)), until_next: 1 },
            // In no lifetime.
            Audit::Off => Auditor { interval: u64::MAX, until_next: u64::MAX },
        }
    }

    /// Whether the next trusted frame would be verified too.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.until_next <= 1
    }

    /// A trusted frame passes that is not [due](Auditor::is_due).
    #[inline]
    pub fn pass(&mut self) {
        self.until_next -= 1;
    }

    /// Whether this trusted frame is to be verified too.
    #[inline]
    pub fn due(&mut self) -> bool {
        self.until_next -= 1;
        let due = self.until_next == 0;
        if due {
            self.until_next = self.interval;
        }
        due
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
                    (Verdict::None, true, true) => Treatment::CheckPartial,
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
    fn audit_one_in_n_audits_the_first_and_every_nth_after() {
        let mut auditor = Auditor::new(Audit::OneIn(4));
        let due: Vec<bool> = (0..9)
            .map(|_| {
                let foreseen = auditor.is_due();
                let due = auditor.due();
                assert_eq!(foreseen, due);
                due
            })
            .collect();
        assert_eq!(due, [true, false, false, false, true, false, false, false, true]);
    }

    #[test]
    fn audit_reads_what_it_writes_and_refuses_the_rest() {
        for text in ["always", "off", "1/64"] {
            assert_eq!(Audit::parse(text).map(|audit| audit.to_string()).as_deref(), Some(text));
        }
        for text in ["1/0", "2/3", "", "1/", "1/-1", "sometimes"] {
            assert_eq!(Audit::parse(text), None, "{text}");
        }
    }
}
