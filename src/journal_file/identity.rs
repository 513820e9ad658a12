//! Whose a journal is, and how its file is called.

use std::fs;
use std::path::Path;

use super::{EXTENSION, OpenError, ReadFile, StorePlan, locked};
use crate::fix::store::journal::{IDENTITY_LEN_MAX, Kind};
use crate::fix::{Decoder, SessionConfig};

/// Of a name, in bytes: with what is added to it while a file is begun it stays below what file systems take (255).
const NAME_LEN_MAX: usize = 200;
/// How many fields tell sessions apart that have no sub-IDs.
const FIELDS_AT_LEAST: usize = 3;
/// Where messages have the others: SenderSubID, SenderLocationID, TargetSubID, TargetLocationID.
const TAGS_BESIDE: [u32; 4] = [50, 142, 57, 143];

/// Whose a journal is, as its header has it: BeginString and both CompIDs, an SOH between. Where a session has a sub-ID or
/// a location, then SenderSubID, SenderLocationID, TargetSubID and TargetLocationID follow, and then its qualifier where it has
/// one.
pub fn identity_of(config: &SessionConfig) -> Vec<u8> {
    let (sender, target) = (&config.sender_sub_ids, &config.target_sub_ids);
    let beside = [&sender.sub_id, &sender.location_id, &target.sub_id, &target.location_id];
    identity(
        [
            config.version.begin_string().as_bytes(),
            config.sender_comp_id.as_bytes(),
            config.target_comp_id.as_bytes(),
        ],
        beside.map(|id| id.as_ref().map_or(&b""[..], |id| id.as_bytes())),
        config.qualifier.as_ref().map_or(&b""[..], |id| id.as_bytes()),
    )
}

/// The same of fields: `beside` has SenderSubID, SenderLocationID, TargetSubID and TargetLocationID; what is empty is none.
///
/// One that a header has no room for is cut, and ends with a sum of the whole.
pub fn identity(fields: [&[u8]; FIELDS_AT_LEAST], beside: [&[u8]; 4], qualifier: &[u8]) -> Vec<u8> {
    let mut identity = fields.join(&1u8);
    if beside.iter().chain([&qualifier]).any(|field| !field.is_empty()) {
        identity.push(1);
        identity.extend_from_slice(&beside.join(&1u8));
    }
    if !qualifier.is_empty() {
        identity.push(1);
        identity.extend_from_slice(qualifier);
    }
    cut(identity, IDENTITY_LEN_MAX)
}

/// `FIX.4.4-DESK-VENUE.journal`: what may not stand in a name, or would make it ambiguous, as `%` and two digits.
pub(super) fn file_name(identity: &[u8]) -> String {
    let mut name = Vec::new();
    for byte in identity {
        match byte {
            1 => name.push(b'-'),
            b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => name.push(*byte),
            other => name.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
    format!("{}.{EXTENSION}", String::from_utf8_lossy(&cut(name, NAME_LEN_MAX)))
}

/// What is longer than `len_max` ends with `~` and 16 digits, which are of the whole of it.
fn cut(mut text: Vec<u8>, len_max: usize) -> Vec<u8> {
    if text.len() > len_max {
        // FNV-1a: the same in every version of fixwire, which a name must be.
        let hash = text.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let end = format!("~{hash:016x}");
        text.truncate(len_max - end.len());
        text.extend_from_slice(end.as_bytes());
    }
    text
}

/// As journals had it before there were sub-IDs in it; `None` for a session that has none. One with a qualifier never had it:
/// the journal of that name is another's.
pub(super) fn without_sub_ids(identity: &[u8]) -> Option<&[u8]> {
    let mut separators = (0..identity.len()).filter(|at| identity[*at] == 1);
    let end = separators.nth(FIELDS_AT_LEAST - 1)?;
    (separators.count() < TAGS_BESIDE.len()).then_some(&identity[..end])
}

/// Gives a journal of before its session's name, if one is there whose messages have the session's sub-IDs, or that has none:
/// what is in it stays as it is.
pub(super) fn take_over(plan: &StorePlan, identity: &[u8], path: &Path) -> Result<(), OpenError> {
    let Some(before) = without_sub_ids(identity) else { return Ok(()) };
    let old = plan.folder.join(file_name(before));
    if !old.try_exists().map_err(|error| OpenError::io(&old, &error))? {
        return Ok(());
    }
    // Nobody else has it, nor comes to have it until it has its name.
    let lock = locked(&old)?;
    let file = ReadFile::of(&old)?;
    if file.survey.header.identity == before && is_of(&file, identity) {
        let named = fs::hard_link(&old, path).and_then(|()| fs::remove_file(&old));
        named.map_err(|error| OpenError::io(path, &error))?;
    }
    drop(lock);
    Ok(())
}

/// Whether the newest message bears the sub-IDs and locations of this identity.
fn is_of(file: &ReadFile, identity: &[u8]) -> bool {
    let mut messages = file.survey.records.iter().filter(|record| record.kind == Kind::Message);
    let Some(newest) = messages.next_back() else { return true };
    let mut decoder = Decoder::default();
    let Ok(message) = decoder.parse(file.survey.content(&file.bytes, newest)) else { return false };
    let wanted = identity.split(|byte| *byte == 1).skip(FIELDS_AT_LEAST);
    TAGS_BESIDE.iter().zip(wanted).all(|(tag, id)| message.field(*tag).unwrap_or_default() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [&[u8]; 3] = [b"FIX.4.4", b"DESK", b"VENUE"];

    #[test]
    fn sub_ids_and_locations_are_in_a_name_where_there_are_any() {
        let name = |beside| file_name(&identity(FIELDS, beside, b""));
        assert_eq!(name([b"", b"", b"", b""]), "FIX.4.4-DESK-VENUE.journal");
        assert_eq!(name([b"T-1", b"", b"", b""]), "FIX.4.4-DESK-VENUE-T%2D1---.journal");
        assert_eq!(name([b"", b"", b"ALGO", b"NY"]), "FIX.4.4-DESK-VENUE---ALGO-NY.journal");
    }

    #[test]
    fn the_longest_identity_has_room_and_a_name_of_its_own() {
        let long = [b'A'; 64];
        let ids = |last: u8| {
            let mut end = long;
            end[63] = last;
            identity([b"FIX.4.4", &long, &long], [&long, &long, &long, &end], b"")
        };
        let (one, other) = (ids(b'A'), ids(b'B'));
        assert!(one.len() <= IDENTITY_LEN_MAX && one != other);
        assert!(file_name(&one).len() <= NAME_LEN_MAX + 1 + EXTENSION.len());
        assert_ne!(file_name(&one), file_name(&other));
    }

    #[test]
    fn one_without_sub_ids_has_no_name_of_before() {
        let of = |beside| identity(FIELDS, beside, b"");
        assert_eq!(without_sub_ids(&of([b"", b"", b"", b""])), None);
        let beside: [&[u8]; 4] = [b"", b"", b"", b"NY"];
        assert_eq!(without_sub_ids(&of(beside)), Some(&b"FIX.4.4\x01DESK\x01VENUE"[..]));
    }

    #[test]
    fn a_qualifier_makes_a_name_of_its_own_that_no_journal_of_before_has() {
        for (beside, expected) in [
            ([&b""[..], b"", b"", b""], "FIX.4.4-DESK-VENUE-----ALGO.journal"),
            ([b"T", b"", b"", b"NY"], "FIX.4.4-DESK-VENUE-T---NY-ALGO.journal"),
        ] {
            let identity = identity(FIELDS, beside, b"ALGO");
            assert_eq!(file_name(&identity), expected);
            assert_eq!(without_sub_ids(&identity), None);
        }
    }
}
