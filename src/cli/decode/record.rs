//! A message as it was found, and what is known of it beside its bytes.

use fixwire::fix::frame::SOH;
use fixwire::fix::tags;

use super::packets::Way;
use super::scan::Damage;
use super::streams::Ends;

/// A field: its tag, and its value as it stands there.
pub(super) type Field<'a> = (u32, &'a [u8]);

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Of a text or a stream: the byte, from 0, and the line, from 1.
    Text { offset: u64, line: u64 },
    /// Of a capture: the packet that completed it, from 1.
    Packet(u64),
}

/// A message to be shown. `bytes` is empty where there is damage and no message.
pub(super) struct Record<'a> {
    pub(super) file: &'a str,
    pub(super) place: Place,
    pub(super) time: Option<String>,
    pub(super) way: Option<Way>,
    pub(super) ends: Option<Ends>,
    pub(super) bytes: &'a [u8],
    pub(super) damage: &'a [Damage],
}

impl<'a> Record<'a> {
    /// Its fields in order; a piece that is no field has the tag 0.
    pub(super) fn fields(&self) -> Fields<'a> {
        Fields { rest: self.bytes, data_len: None }
    }

    pub(super) fn field(&self, tag: u32) -> Option<&'a [u8]> {
        self.fields().find(|(found, _)| *found == tag).map(|(_, value)| value)
    }
}

/// Fields, those of data as long as the field before them says.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    data_len: Option<(u32, usize)>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|byte| *byte == SOH).unwrap_or(self.rest.len());
        let text = &self.rest[..end];
        let parts = text.iter().position(|byte| *byte == b'=').map(|at| text.split_at(at));
        let tag = parts.and_then(|(tag, _)| std::str::from_utf8(tag).ok()?.parse().ok());
        let (Some(tag), Some((before, _))) = (tag, parts) else {
            self.pass(end);
            return Some((0, text));
        };
        let value_at = before.len() + 1;
        let is_whole = |len: &usize| self.rest[value_at..].get(*len) == Some(&SOH);
        let data_len = self.data_len.filter(|(of, _)| *of == tag).map(|(_, len)| len);
        let end = data_len.filter(is_whole).map_or(end, |len| value_at + len);
        let value = &self.rest[value_at..end];
        self.data_len = tags::data_of_length(tag)
            .and_then(|data| Some((data, std::str::from_utf8(value).ok()?.parse().ok()?)));
        self.pass(end);
        Some((tag, value))
    }
}

impl Fields<'_> {
    fn pass(&mut self, end: usize) {
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_as_long_as_its_length_says_where_that_leads_to_its_end() {
        let fields = |text: &str| -> Vec<(u32, String)> {
            let bytes = text.replace('|', "\x01");
            let fields = Fields { rest: bytes.as_bytes(), data_len: None };
            fields.map(|(tag, value)| (tag, String::from_utf8_lossy(value).into_owned())).collect()
        };
        let of = |pairs: &[(u32, &str)]| -> Vec<(u32, String)> {
            pairs.iter().map(|(tag, value)| (*tag, value.replace('|', "\x01"))).collect()
        };
        assert_eq!(fields("95=3|96=a|b|58=x|"), of(&[(95, "3"), (96, "a|b"), (58, "x")]));
        assert_eq!(fields("95=9|96=a|b|"), of(&[(95, "9"), (96, "a"), (0, "b")]));
        assert_eq!(fields("1=|x|=|2"), of(&[(1, ""), (0, "x"), (0, "="), (0, "2")]));
        assert_eq!(
            fields("95=18446744073709551615|96=a|"),
            of(&[(95, "18446744073709551615"), (96, "a")])
        );
    }
}
