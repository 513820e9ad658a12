//! Whether a message is from the counterparty and to us, by its CompIDs alone, where they lie as in others of its shape.
//!
//! A session by itself has them in the shape. Of shapes that sessions share they are each session's own: both lie in one
//! line of its memory, and a message's are held against them as they stand.

use super::SessionConfig;

/// Where SenderCompID(49) and TargetCompID(56) lie in a message.
pub(super) type PartySpans = [(u32, u32); 2];

/// The longest CompID that is compared so, in bytes.
const TEXT_LEN: usize = 8 * WORDS;
const WORDS: usize = 3;
/// As many bytes, eight to a word: without an order of their own, so that they stand close.
type Text = [[u8; 8]; WORDS];

/// Both CompIDs as the counterparty writes them.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Parties {
    texts: [Text; 2],
    lens: [u8; 2],
    how: How,
}

/// By what they are known to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// The message's shape, which has them.
    Shape,
    /// Nothing: nobody checks them.
    Nothing,
    /// The first words of these texts, which hold all of them.
    Words,
    /// These texts.
    Texts,
    /// Field by field: there are sub-IDs, or they are longer than is usual.
    Fields,
}

/// What is to be done about a message's CompIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// They are to be looked at field by field.
    Unknown,
}

impl Parties {
    /// Of a session by itself, whose shapes have them.
    pub(super) const IN_SHAPE: Parties =
        Parties { texts: [[[0; 8]; WORDS]; 2], lens: [0; 2], how: How::Shape };

    /// Of one that shares its shapes.
    pub(super) fn of(config: &SessionConfig) -> Parties {
        let mut parties = Parties::IN_SHAPE;
        parties.how = match (config.check_comp_id, config.has_sub_ids()) {
            (false, _) => How::Nothing,
            (true, true) => How::Fields,
            (true, false) => How::Words,
        };
        for (at, id) in [&config.target_comp_id, &config.sender_comp_id].into_iter().enumerate() {
            let id = id.as_bytes();
            match parties.texts[at].as_flattened_mut().get_mut(..id.len()) {
                Some(text) => text.copy_from_slice(id),
                None if config.check_comp_id => parties.how = How::Fields,
                None => {}
            }
            if id.len() > 8 && parties.how == How::Words {
                parties.how = How::Texts;
            }
            parties.lens[at] = id.len() as u8;
        }
        parties
    }

    /// Whether the shapes have them of a session that these are of.
    pub(super) fn are_in_shape(&self) -> bool {
        self.how == How::Shape
    }

    /// Whether they are those of a message that has them there: sender and target.
    #[inline(always)]
    pub(super) fn are(&self, bytes: &[u8], spans: PartySpans) -> Verdict {
        match self.how {
            How::Shape | How::Nothing => Verdict::Right,
            How::Fields => Verdict::Unknown,
            How::Words => {
                let are = self.is_word(0, bytes, spans[0]) & self.is_word(1, bytes, spans[1]);
                if are { Verdict::Right } else { Verdict::Wrong }
            }
            How::Texts => {
                let are = self.is(0, bytes, spans[0]) & self.is(1, bytes, spans[1]);
                if are { Verdict::Right } else { Verdict::Wrong }
            }
        }
    }

    /// Of one that is 1 to 8 bytes long.
    #[inline(always)]
    fn is_word(&self, at: usize, bytes: &[u8], (start, end): (u32, u32)) -> bool {
        let (len, start) = (u32::from(self.lens[at]), start as usize);
        // Any field has as many bytes behind it, CheckSum's.
        let Some(found) = bytes.get(start..start + 8) else { return false };
        let [found, text] = [found, &self.texts[at][0][..]]
            .map(|word| word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
        let unlike = (found ^ text).wrapping_shl(64 - 8 * len);
        unlike == 0 && end.wrapping_sub(start as u32) == len
    }

    #[inline(always)]
    fn is(&self, at: usize, bytes: &[u8], (start, end): (u32, u32)) -> bool {
        let (text, len) = (&self.texts[at], usize::from(self.lens[at]));
        let start = start as usize;
        if (end as usize).wrapping_sub(start) != len {
            return false;
        }
        let Some(found) = bytes.get(start..).and_then(<[u8]>::first_chunk::<TEXT_LEN>) else {
            return self.is_near_end(at, bytes, start);
        };
        let (found, front) = (found.as_chunks::<8>().0, &FRONTS[len % FRONTS.len()]);
        let unlike = |word: usize| {
            let [found, text] = [found[word], text[word]].map(u64::from_le_bytes);
            (found ^ text) & front[word]
        };
        unlike(0) | unlike(1) | unlike(2) == 0
    }

    /// The same of one so near the message's end that fewer bytes follow than are compared.
    #[cold]
    fn is_near_end(&self, at: usize, bytes: &[u8], start: usize) -> bool {
        let len = usize::from(self.lens[at]);
        bytes.get(start..start + len) == self.texts[at].as_flattened().get(..len)
    }
}

/// The bits of the first *n* bytes, in words.
static FRONTS: [[u64; WORDS]; 32] = {
    let mut fronts = [[0; WORDS]; 32];
    let mut len = 0;
    while len < fronts.len() {
        let mut at = 0;
        while at < len && at < TEXT_LEN {
            fronts[len][at / 8] |= 0xff << (8 * (at % 8));
            at += 1;
        }
        len += 1;
    }
    fronts
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fix::{CompId, Role, SubIds, Version};

    fn config(us: &str, them: &str) -> SessionConfig {
        let id = |text| CompId::new(text).unwrap();
        SessionConfig::new(Version::Fix44, Role::Acceptor, id(us), id(them))
    }

    proptest! {
        #[test]
        fn texts_are_alike_just_where_every_byte_is(
            (us, them) in ("[AB]{1,26}", "[AB]{1,26}"), other in "[AB]{1,26}", at in 0usize..3, behind in 8usize..70,
        ) {
            let (mut from, mut to) = (them.clone(), us.clone());
            match at {
                0 => from = other,
                1 => to = other,
                _ => {}
            }
            let text = format!("49={from}\x0156={to}\x01{}", "x".repeat(behind));
            let sender = (3, 3 + from.len() as u32);
            let target = (sender.1 + 4, sender.1 + 4 + to.len() as u32);
            let found = Parties::of(&config(&us, &them)).are(text.as_bytes(), [sender, target]);
            let expected = match us.len().max(them.len()) {
                25.. => Verdict::Unknown,
                _ if (from, to) == (them, us) => Verdict::Right,
                _ => Verdict::Wrong,
            };
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn sub_ids_are_looked_at_and_what_nobody_checks_is_not() {
        let spans = [(0, 1), (1, 2)];
        let mut config = config("US", "THEM");
        config.target_sub_ids = SubIds { sub_id: CompId::new("D"), location_id: None };
        assert_eq!(Parties::of(&config).are(b"US", spans), Verdict::Unknown);
        config.check_comp_id = false;
        assert_eq!(Parties::of(&config).are(b"US", spans), Verdict::Right);
        assert_eq!(Parties::IN_SHAPE.are(b"US", spans), Verdict::Right);
    }
}
