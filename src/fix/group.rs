//! Repeating groups, entry by entry (FIX 4.4 Vol. 1, repeating groups).
//!
//! Which fields are an entry's, the message does not say: its dictionary does. They are given as a list, what its
//! entries begin with first, and the fields of groups within it among them.

use super::decimal::Decimal;
use super::decode::{Field, field_at};
use super::message::Message;
use super::timestamp;
use super::value::{self, FieldError};
use crate::time::UtcTime;

/// The entries of a group, in their order. There are never more of them than the field that counts them says; there are fewer
/// where the message has fewer, which a dictionary's rules refuse.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a, 'm> {
    bytes: &'a [u8],
    /// Where fields begin, from the next entry's first on.
    starts: &'a [u32],
    members: &'m [u32],
    left: u32,
}

/// One entry of a group.
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
    /// # Errors
    /// Where the count is no number, or is not 0 and no entry follows it.
    pub fn group<'m>(
        &self,
        count_tag: u32,
        members: &'m [u32],
    ) -> Result<Group<'a, 'm>, FieldError> {
        Group::behind(self.bytes(), self.starts(), count_tag, members)
    }
}

impl<'a, 'm> Group<'a, 'm> {
    fn behind(
        bytes: &'a [u8],
        starts: &'a [u32],
        count_tag: u32,
        members: &'m [u32],
    ) -> Result<Group<'a, 'm>, FieldError> {
        let position = fields(bytes, starts).position(|field| field.tag == count_tag);
        let Some(position) = position else {
            return Ok(Group { bytes, starts: &[], members, left: 0 });
        };
        let rest = starts.get(position..).unwrap_or_default();
        let count = fields(bytes, rest).next().map(|field| text(bytes, &field)).unwrap_or_default();
        let left = value::parse_u32(count)?;
        let starts = rest.get(1..).unwrap_or_default();
        let first = fields(bytes, starts).next().map(|field| field.tag);
        if left > 0 && (first.is_none() || first != members.first().copied()) {
            return Err(FieldError::Format);
        }
        Ok(Group { bytes, starts, members, left })
    }
}

impl<'a> Iterator for Group<'a, '_> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let delimiter = self.members.first()?;
        let first = fields(self.bytes, self.starts).next()?;
        if self.left == 0 || first.tag != *delimiter {
            return None;
        }
        self.left -= 1;
        let others = fields(self.bytes, self.starts).skip(1);
        let len = 1 + others
            .take_while(|field| field.tag != *delimiter && self.members.contains(&field.tag))
            .count();
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
        Group::behind(self.bytes, self.starts, count_tag, members)
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

    fn found(body: &str) -> Result<Vec<(String, Vec<String>)>, FieldError> {
        let bytes = sealed("FIX.4.4", &format!("35=D|34=2|49=A|56=B|{body}58=x|523=out|"));
        let mut decoder = Decoder::default();
        let message = decoder.parse(&bytes).unwrap();
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
        let mut entries = Vec::new();
        for party in message.group(PARTIES.0, PARTIES.1)? {
            let subs = party.group(SUB_IDS.0, SUB_IDS.1)?;
            let subs = subs.map(|sub| text(sub.field(523)) + &text(sub.field(803))).collect();
            entries.push((text(party.field(448)) + &party.u32(452)?.to_string(), subs));
        }
        Ok(entries)
    }

    #[test]
    fn entries_and_those_within_them_come_in_their_order() {
        type Entries<'t> = &'t [(&'t str, &'t [&'t str])];
        let table: [(&str, Result<Entries<'_>, FieldError>); 8] = [
            ("", Ok(&[])),
            ("453=0|", Ok(&[])),
            ("453=1|448=A|447=D|452=1|", Ok(&[("A1", &[])])),
            (
                "453=2|448=A|452=1|802=2|523=p|803=1|523=q|803=2|448=B|452=3|",
                Ok(&[("A1", &["p1", "q2"]), ("B3", &[])]),
            ),
            // More than are counted, or fewer.
            ("453=1|448=A|452=1|448=B|452=2|", Ok(&[("A1", &[])])),
            ("453=3|448=A|452=1|", Ok(&[("A1", &[])])),
            ("453=1|452=1|448=A|", Err(FieldError::Format)),
            ("453=x|448=A|452=1|", Err(FieldError::Format)),
        ];
        for (body, expected) in table {
            let expected = expected.map(|entries| {
                let owned = |(name, subs): &(&str, &[&str])| {
                    ((*name).to_owned(), subs.iter().map(|sub| (*sub).to_owned()).collect())
                };
                entries.iter().map(owned).collect::<Vec<_>>()
            });
            assert_eq!(found(body), expected, "{body}");
        }
    }
}
