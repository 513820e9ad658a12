//! The versions of FIX: of the session by BeginString(8), and since FIXT 1.1 of the application apart from it.

/// A version of FIX, by its BeginString. They sort by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// FIX 4.0.
    Fix40,
    /// FIX 4.1.
    Fix41,
    /// FIX 4.2.
    Fix42,
    /// FIX 4.3.
    Fix43,
    /// FIX 4.4.
    Fix44,
    /// FIXT 1.1, and what our application messages are of where they do not say: the DefaultApplVerID(1137)
    /// of our Logon.
    Fixt11(ApplVerId),
}

impl Version {
    /// The version with this BeginString(8); `default_appl_ver_id` is FIXT's.
    pub fn of(begin_string: &[u8], default_appl_ver_id: ApplVerId) -> Option<Version> {
        let all = [
            Version::Fix40,
            Version::Fix41,
            Version::Fix42,
            Version::Fix43,
            Version::Fix44,
            Version::Fixt11(default_appl_ver_id),
        ];
        all.into_iter().find(|version| version.begin_string().as_bytes() == begin_string)
    }

    /// The value of BeginString(8).
    pub const fn begin_string(self) -> &'static str {
        match self {
            Version::Fix40 => "FIX.4.0",
            Version::Fix41 => "FIX.4.1",
            Version::Fix42 => "FIX.4.2",
            Version::Fix43 => "FIX.4.3",
            Version::Fix44 => "FIX.4.4",
            Version::Fixt11(_) => "FIXT.1.1",
        }
    }

    /// DefaultApplVerID(1137), which only FIXT has.
    pub const fn default_appl_ver_id(self) -> Option<ApplVerId> {
        match self {
            Version::Fixt11(id) => Some(id),
            _ => None,
        }
    }

    /// EndSeqNo(16) that asks for all there is: 0, and 999999 before FIX 4.2.
    pub(super) fn infinity(self) -> u32 {
        if self < Version::Fix42 { 999_999 } else { 0 }
    }
}

/// A version of application messages: ApplVerID(1128), DefaultApplVerID(1137).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ApplVerId {
    /// FIX 4.0.
    Fix40 = b'2',
    /// FIX 4.1.
    Fix41,
    /// FIX 4.2.
    Fix42,
    /// FIX 4.3.
    Fix43,
    /// FIX 4.4.
    Fix44,
    /// FIX 5.0.
    Fix50,
    /// FIX 5.0 SP1.
    Fix50Sp1,
    /// FIX 5.0 SP2.
    Fix50Sp2,
    /// FIX Latest: 5.0 SP2 with every extension pack there is.
    FixLatest,
}

impl ApplVerId {
    /// Every version, the oldest first.
    pub const ALL: [ApplVerId; 9] = [
        ApplVerId::Fix40,
        ApplVerId::Fix41,
        ApplVerId::Fix42,
        ApplVerId::Fix43,
        ApplVerId::Fix44,
        ApplVerId::Fix50,
        ApplVerId::Fix50Sp1,
        ApplVerId::Fix50Sp2,
        ApplVerId::FixLatest,
    ];

    /// The version with this value of ApplVerID(1128).
    pub fn of(value: &[u8]) -> Option<ApplVerId> {
        ApplVerId::ALL.into_iter().find(|id| id.value().as_bytes() == value)
    }

    /// Its value in ApplVerID(1128) and DefaultApplVerID(1137).
    pub const fn value(self) -> &'static str {
        match self {
            ApplVerId::Fix40 => "2",
            ApplVerId::Fix41 => "3",
            ApplVerId::Fix42 => "4",
            ApplVerId::Fix43 => "5",
            ApplVerId::Fix44 => "6",
            ApplVerId::Fix50 => "7",
            ApplVerId::Fix50Sp1 => "8",
            ApplVerId::Fix50Sp2 => "9",
            ApplVerId::FixLatest => "10",
        }
    }

    /// A byte that stands for it, where one process tells another.
    pub(super) const fn code(self) -> u8 {
        self as u8
    }

    /// The version that this byte stands for.
    pub(super) fn of_code(code: u8) -> Option<ApplVerId> {
        ApplVerId::ALL.into_iter().find(|id| id.code() == code)
    }

    /// Its name, which up to 4.4 is a BeginString.
    pub const fn name(self) -> &'static str {
        match self {
            ApplVerId::Fix40 => "FIX.4.0",
            ApplVerId::Fix41 => "FIX.4.1",
            ApplVerId::Fix42 => "FIX.4.2",
            ApplVerId::Fix43 => "FIX.4.3",
            ApplVerId::Fix44 => "FIX.4.4",
            ApplVerId::Fix50 => "FIX.5.0",
            ApplVerId::Fix50Sp1 => "FIX.5.0SP1",
            ApplVerId::Fix50Sp2 => "FIX.5.0SP2",
            ApplVerId::FixLatest => "FIX.Latest",
        }
    }
}
