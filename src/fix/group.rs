//! Repeating groups, entry by entry (FIX 4.4 Vol. 1, repeating groups).
//!
//! Which fields are an entry's, the message does not say: its dictionary does. They are given as a list, what its
//! entries begin with first, and the fields of groups within it among them.
//!
//! A field that is in no dictionary, and that its checks let pass, ends no group: what follows it is still the entry's. Where
//! the dictionary's tags are given too ([`Message::group_among`]), entries are read as its checks read them. Where they are not
//! ([`Message::group`]), a field that is no member is passed over as long as more entries are to come; the last entry ends at
//! the first one whose tag is not a user's own.

use super::decimal::Decimal;
use super::decode::{Field, field_at};
use super::message::Message;
use super::tags::USER_DEFINED_MIN;
use super::timestamp;
use super::value::{self, FieldError};
use crate::time::UtcTime;

/// The entries of a group, in their order: as many as the field that counts them says, or there was no group.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a, 'm> {
    bytes: &'a [u8],
    /// Where fields begin, from the next entry's first on.
    starts: &'a [u32],
    members: &'m [u32],
    /// Tags that the dictionary has, ascending, where they were given.
    defined: Option<&'m [u32]>,
    left: u32,
}

/// One entry of a group, with what is nobody's in it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    bytes: &'a [u8],
    /// Where its fields begin, and where the last one ends.
    starts: &'a [u32],
}

impl<'a> Message<'a> {
    /// The entries of the group that the first field `count_tag` counts; none where there is no such field. `members`
    /// are the fields of an entry, what it begins with first.
    ///
    /// What the last entry has behind a field that is no member and no user's own (a tag below 5000), which a dictionary's
    /// checks let pass with `allow_unknown_msg_fields` alone, is not read: [`group_among`](Message::group_among) reads it.
    ///
    /// # Errors
    /// [`FieldError::Format`] where the count is no number, or not that of the entries behind it.
    pub fn group<'m>(
        &self,
        count_tag: u32,
        members: &'m [u32],
    ) -> Result<Group<'a, 'm>, FieldError> {
        Group::behind((self.bytes(), self.starts()), count_tag, members, None)
    }

    /// As [`group`](Message::group), where it is known which tags the dictionary has, `defined`, ascending: any other is nobody's
    /// and ends no entry. So entries are those that the dictionary's own check finds.
    ///
    /// # Errors
    /// As [`group`](Message::group).
    pub fn group_among<'m>(
        &self,
        count_tag: u32,
        members: &'m [u32],
        defined: &'m [u32],
    ) -> Result<Group<'a, 'm>, FieldError> {
        Group::behind((self.bytes(), self.starts()), count_tag, members, Some(defined))
    }
}

impl<'a, 'm> Group<'a, 'm> {
    fn behind(
        (bytes, starts): (&'a [u8], &'a [u32]),
        count_tag: u32,
        members: &'m [u32],
        defined: Option<&'m [u32]>,
    ) -> Result<Group<'a, 'm>, FieldError> {
        let position = fields(bytes, starts).position(|field| field.tag == count_tag);
        let Some(position) = position else {
            return Ok(Group { bytes, starts: &[], members, defined, left: 0 });
        };
        let rest = starts.get(position..).unwrap_or_default();
        let count = fields(bytes, rest).next().map(|field| text(bytes, &field)).unwrap_or_default();
        let left = value::parse_u32(count)?;
        let starts = rest.get(1..).unwrap_or_default();
        let mut group = Group { bytes, starts, members, defined, left };
        if left > 0 {
            let is_ahead = |field: &Field| !members.contains(&field.tag) && group.has(field.tag);
            let ahead = fields(bytes, starts).take_while(is_ahead).count();
            group.starts = starts.get(ahead..).unwrap_or_default();
        }
        // An entry too few or too many would be lost without a word.
        let mut all = group;
        let is_all = all.by_ref().count() == left as usize && !all.is_at_entry();
        is_all.then_some(group).ok_or(FieldError::Format)
    }

    /// Whether an entry begins with the next field.
    fn is_at_entry(&self) -> bool {
        let next = fields(self.bytes, self.starts).next();
        next.is_some_and(|field| self.members.first() == Some(&field.tag))
    }

    /// Whether a field with `tag` that begins no entry ends none either.
    fn has(&self, tag: u32) -> bool {
        self.members.contains(&tag)
            || match self.defined {
                Some(defined) => defined.binary_search(&tag).is_err(),
                None => self.left > 0 || tag >= USER_DEFINED_MIN,
            }
    }
}

impl<'a> Iterator for Group<'a, '_> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.left == 0 || !self.is_at_entry() {
            return None;
        }
        self.left -= 1;
        let delimiter = self.members.first()?;
        let others = fields(self.bytes, self.starts).skip(1);
        let is_its = |field: &Field| field.tag != *delimiter && self.has(field.tag);
        let len = 1 + others.take_while(is_its).count();
        let entry = Entry { bytes: self.bytes, starts: self.starts.get(..=len)? };
        self.starts = self.starts.get(len..)?;
        Some(entry)
    }
}

impl<'a> Entry<'a> {
    /// The value of its first field with `tag`.
    pub fn field(&self, tag: u32) -> Option<&'a [u8]> {
        self.fields().find(|(other, _)| *other == tag).map(|(_, value)| value)
    }

    /// Its fields in their order: tag and value.
    pub fn fields(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        fields(bytes, self.starts).map(move |field| (field.tag, text(bytes, &field)))
    }

    /// A non-negative integer.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn u32(&self, tag: u32) -> Result<u32, FieldError> {
        value::parse_u32(self.required(tag)?)
    }

    /// A price or quantity.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn decimal(&self, tag: u32) -> Result<Decimal, FieldError> {
        Decimal::parse(self.required(tag)?)
    }

    /// An integer.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn i64(&self, tag: u32) -> Result<i64, FieldError> {
        value::parse_i64(self.required(tag)?)
    }

    /// `Y` or `N`.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn bool(&self, tag: u32) -> Result<bool, FieldError> {
        value::parse_bool(self.required(tag)?)
    }

    /// A UTCTimestamp.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn utc(&self, tag: u32) -> Result<UtcTime, FieldError> {
        timestamp::parse(self.required(tag)?)
    }

    /// One character.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn char(&self, tag: u32) -> Result<u8, FieldError> {
        value::parse_char(self.required(tag)?)
    }

    /// The entries of a group within this entry, as [`Message::group`].
    ///
    /// # Errors
    /// As [`Message::group`].
    pub fn group<'m>(
        &self,
        count_tag: u32,
        members: &'m [u32],
    ) -> Result<Group<'a, 'm>, FieldError> {
        Group::behind((self.bytes, self.starts), count_tag, members, None)
    }

    /// The same, as [`Message::group_among`].
    ///
    /// # Errors
    /// As [`Message::group`].
    pub fn group_among<'m>(
        &self,
        count_tag: u32,
        members: &'m [u32],
        defined: &'m [u32],
    ) -> Result<Group<'a, 'm>, FieldError> {
        Group::behind((self.bytes, self.starts), count_tag, members, Some(defined))
    }

    fn required(&self, tag: u32) -> Result<&'a [u8], FieldError> {
        self.field(tag).ok_or(FieldError::Missing)
    }
}

fn fields<'a>(bytes: &'a [u8], starts: &'a [u32]) -> impl Iterator<Item = Field> + use<'a> {
    starts.windows(2).map(move |pair| field_at(bytes, pair[0], pair[1]))
}

fn text<'a>(bytes: &'a [u8], field: &Field) -> &'a [u8] {
    bytes.get(field.start as usize..field.end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::decode::Decoder;
    use crate::fix::oracle::sealed;

    /// NoPartyIDs, and NoPartySubIDs within it (FIX 4.4, Parties).
    const PARTIES: (u32, &[u32]) = (453, &[448, 447, 452, 802, 523, 803]);
    const SUB_IDS: (u32, &[u32]) = (802, &[523, 803]);
    /// What a dictionary has besides.
    const DEFINED: &[u32] =
        &[8, 9, 10, 34, 35, 38, 49, 56, 58, 447, 448, 452, 453, 523, 802, 803, 5_500];

    /// The entries of a message's parties by name and role, with the sub-IDs of each.
    type Entries = Vec<(String, Vec<String>)>;

    fn found(body: &str, defined: Option<&[u32]>) -> Result<Entries, FieldError> {
        let bytes = sealed("FIX.4.4", &format!("35=D|34=2|49=A|56=B|{body}58=x|523=out|"));
        let mut decoder = Decoder::default();
        let message = decoder.parse(&bytes).unwrap();
        let text =
            |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or(b"-")).into_owned();
        let mut entries = Vec::new();
        let ((count, members), (sub_count, sub_members)) = (PARTIES, SUB_IDS);
        let parties = match defined {
            Some(defined) => message.group_among(count, members, defined)?,
            None => message.group(count, members)?,
        };
        for party in parties {
            let subs = match defined {
                Some(defined) => party.group_among(sub_count, sub_members, defined)?,
                None => party.group(sub_count, sub_members)?,
            };
            let subs = subs.map(|sub| text(sub.field(523)) + &text(sub.field(803))).collect();
            entries.push((text(party.field(448)) + &text(party.field(452)), subs));
        }
        Ok(entries)
    }

    type Expected<'t> = Result<&'t [(&'t str, &'t [&'t str])], FieldError>;

    fn owned(expected: Expected<'_>) -> Result<Entries, FieldError> {
        let subs = |subs: &[&str]| subs.iter().map(|sub| (*sub).to_owned()).collect();
        let entry = |(name, of): &(&str, &[&str])| ((*name).to_owned(), subs(of));
        expected.map(|entries| entries.iter().map(entry).collect())
    }

    #[test]
    fn entries_and_those_within_them_come_in_their_order() {
        let table: [(&str, Expected<'_>); 11] = [
            ("", Ok(&[])),
            ("453=0|", Ok(&[])),
            ("453=1|448=A|447=D|452=1|", Ok(&[("A1", &[])])),
            (
                "453=2|448=A|452=1|802=2|523=p|803=1|523=q|803=2|448=B|452=3|",
                Ok(&[("A1", &["p1", "q2"]), ("B3", &[])]),
            ),
            // More than are counted, or fewer.
            ("453=1|448=A|452=1|448=B|452=2|", Err(FieldError::Format)),
            ("453=0|448=A|452=1|", Err(FieldError::Format)),
            ("453=3|448=A|452=1|", Err(FieldError::Format)),
            ("453=4294967295|448=A|", Err(FieldError::Format)),
            ("453=1|448=A|802=2|523=p|", Err(FieldError::Format)),
            ("453=1|452=1|448=A|", Err(FieldError::Format)),
            ("453=x|448=A|452=1|", Err(FieldError::Format)),
        ];
        for (body, expected) in table {
            assert_eq!(found(body, None), owned(expected), "{body}");
            assert_eq!(found(body, Some(DEFINED)), owned(expected), "{body}");
        }
    }

    #[test]
    fn what_is_nobody_s_ends_no_entry() {
        let both: Expected<'_> = Ok(&[("A1", &[]), ("B3", &[])]);
        let same: [(&str, Expected<'_>); 4] = [
            ("453=2|448=A|9999=x|452=1|448=B|452=3|", both),
            ("453=2|448=A|452=1|9999=x|448=B|9999=y|452=3|", both),
            ("453=2|9999=x|448=A|452=1|998=x|448=B|452=3|9999=y|", both),
            ("453=1|448=A|802=1|523=p|9999=x|803=1|", Ok(&[("A-", &["p1"])])),
        ];
        for (body, expected) in same {
            assert_eq!(found(body, None), owned(expected), "{body}");
            assert_eq!(found(body, Some(DEFINED)), owned(expected), "{body}");
        }
        // Which of these is the dictionary's, it alone knows.
        let table: [(&str, Expected<'_>, Expected<'_>); 4] = [
            ("453=2|448=A|452=1|448=B|998=x|452=3|", Ok(&[("A1", &[]), ("B-", &[])]), both),
            ("453=1|448=A|5500=x|452=1|", Ok(&[("A1", &[])]), Ok(&[("A-", &[])])),
            ("453=2|448=A|452=1|38=5|448=B|452=3|", both, Err(FieldError::Format)),
            ("453=1|38=5|448=A|452=1|", Ok(&[("A1", &[])]), Err(FieldError::Format)),
        ];
        for (body, alone, among) in table {
            assert_eq!(found(body, None), owned(alone), "{body}");
            assert_eq!(found(body, Some(DEFINED)), owned(among), "{body}");
        }
    }
}
