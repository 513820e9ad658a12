//! What a dictionary is compiled to: a small hash table of fields for each message type and group.

use std::collections::HashMap;
use std::sync::Arc;

use super::spec::{FieldSpec, Part, Spec};
use super::{DataType, MEMBERS_MAX, WORDS};
use crate::fix::swar;
use crate::fix::tags;

/// Stands where no group and no list of values is.
const NONE: u32 = u32::MAX;

/// Where a field belongs, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Section {
    Header,
    Body,
    Trailer,
}

/// A field in its place in a message or an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// 0 where there is none.
    pub(super) tag: u32,
    /// Which one it is, in the order of the dictionary.
    pub(super) position: u16,
    pub(super) kind: DataType,
    pub(super) section: Section,
    values: u32,
    group: u32,
}

impl Member {
    const EMPTY: Member = Member {
        tag: 0,
        position: 0,
        kind: DataType::Text,
        section: Section::Body,
        values: NONE,
        group: NONE,
    };

    #[inline]
    pub(super) fn is_group(&self) -> bool {
        self.group != NONE
    }
}

/// What may stand together: a message, or an entry of a group.
#[derive(Debug)]
pub(super) struct Scope {
    /// Open addressing; a power of two, at most half full.
    slots: Box<[Member]>,
    shift: u32,
    /// A bit for each member, by its position, that must be there.
    pub(super) required: [u64; WORDS],
    /// How many words of those have any.
    pub(super) words: usize,
    /// The same as tags: of the header, the trailer and then the body, each ascending.
    pub(super) required_tags: Box<[(u32, u16)]>,
    /// Of a group: what its entries begin with.
    pub(super) delimiter: u32,
}

impl Scope {
    #[inline]
    pub(super) fn find(&self, tag: u32) -> Option<&Member> {
        let mut at = hash(tag, self.shift);
        loop {
            // Half of the places are empty, so this ends.
            let member = self.slots.get(at & (self.slots.len() - 1))?;
            if member.tag == tag {
                return Some(member);
            }
            if member.tag == 0 {
                return None;
            }
            at += 1;
        }
    }
}

#[inline]
fn hash(tag: u32, shift: u32) -> usize {
    (tag.wrapping_mul(0x9e37_79b9) >> shift) as usize
}

/// The values that a field may have.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// A bit for each that is one character.
    chars: [u64; 4],
    /// Those of two to eight, as words, ascending.
    words: Box<[u64]>,
    /// Longer ones, ascending.
    long: Box<[Box<[u8]>]>,
}

impl Values {
    fn of(values: &[Vec<u8>]) -> Values {
        let (mut chars, mut words, mut long) = ([0; 4], Vec::new(), Vec::new());
        for value in values {
            match value[..] {
                [char] => chars[usize::from(char / 64)] |= 1 << (char % 64),
                _ => match swar::word_of_short(value) {
                    Some(word) => words.push(word),
                    None => long.push(value.clone().into_boxed_slice()),
                },
            }
        }
        words.sort_unstable();
        long.sort_unstable();
        Values { chars, words: words.into(), long: long.into() }
    }

    #[inline]
    pub(super) fn has(&self, value: &[u8]) -> bool {
        match value {
            [char] => self.chars[usize::from(char / 64)] & 1 << (char % 64) != 0,
            _ => self.has_longer(value),
        }
    }

    fn has_longer(&self, value: &[u8]) -> bool {
        match swar::word_of_short(value) {
            Some(word) => self.words.binary_search(&word).is_ok(),
            None => self.long.binary_search_by(|known| known[..].cmp(value)).is_ok(),
        }
    }
}

/// Everything that a dictionary was compiled to.
#[derive(Debug)]
pub(super) struct Tables {
    scopes: Vec<Scope>,
    values: Vec<Values>,
    /// Scopes of the message types of one character.
    short: [u32; 256],
    /// Of longer ones, ascending.
    long: Vec<(Box<[u8]>, u32)>,
    /// Every field that there is, ascending.
    defined: Vec<Member>,
}

impl Tables {
    /// The scope of a message type.
    #[inline]
    pub(super) fn message(&self, msg_type: &[u8]) -> Option<&Scope> {
        let scope = match *msg_type {
            [char] => self.short[usize::from(char)],
            _ => {
                let at = self.long.binary_search_by(|(known, _)| known[..].cmp(msg_type)).ok()?;
                self.long[at].1
            }
        };
        self.scopes.get(scope as usize)
    }

    /// The entries of a member that counts them.
    #[inline]
    pub(super) fn group(&self, member: &Member) -> Option<&Scope> {
        self.scopes.get(member.group as usize)
    }

    #[inline]
    pub(super) fn values(&self, member: &Member) -> Option<&Values> {
        self.values.get(member.values as usize)
    }

    /// A field wherever it may belong.
    pub(super) fn defined(&self, tag: u32) -> Option<&Member> {
        let at = self.defined.binary_search_by_key(&tag, |member| member.tag).ok()?;
        self.defined.get(at)
    }

    pub(super) fn compile(spec: &Spec) -> Result<Tables, TooMany> {
        let mut compiler = Compiler {
            fields: spec.fields.iter().map(|field| (field.tag, field)).collect(),
            values_of: HashMap::new(),
            groups: HashMap::new(),
            scopes: Vec::new(),
            values: Vec::new(),
        };
        let (mut short, mut long) = ([NONE; 256], Vec::new());
        for message in &spec.messages {
            let sections = [
                (Section::Header, &spec.header[..]),
                (Section::Trailer, &spec.trailer[..]),
                (Section::Body, &message.parts[..]),
            ];
            let scope = compiler.scope(&sections)?;
            match message.msg_type[..] {
                [char] => short[usize::from(char)] = scope,
                _ => long.push((message.msg_type.clone().into_boxed_slice(), scope)),
            }
        }
        long.sort_unstable();
        let mut defined: Vec<Member> =
            spec.fields.iter().map(|field| compiler.member(field.tag)).collect();
        defined.sort_by_key(|member| member.tag);
        let Compiler { scopes, values, .. } = compiler;
        Ok(Tables { scopes, values, short, long, defined })
    }
}

/// A message or group has more fields than [`MEMBERS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

struct Compiler<'s> {
    fields: HashMap<u32, &'s FieldSpec>,
    values_of: HashMap<u32, u32>,
    /// Groups that came already: many messages share one.
    groups: HashMap<*const Vec<Part>, u32>,
    scopes: Vec<Scope>,
    values: Vec<Values>,
}

impl<'s> Compiler<'s> {
    fn scope(&mut self, sections: &[(Section, &'s [Part])]) -> Result<u32, TooMany> {
        let mut members: Vec<(Member, bool)> = Vec::new();
        let mut known: HashMap<u32, usize> = HashMap::new();
        for (section, parts) in sections {
            for part in *parts {
                let group = part.group.as_ref().map(|body| self.group(body)).transpose()?;
                let at = *known.entry(part.tag).or_insert_with(|| {
                    let position = members.len() as u16;
                    let member = Member { position, section: *section, ..self.member(part.tag) };
                    members.push((member, false));
                    members.len() - 1
                });
                let (member, required) = &mut members[at];
                *required |= part.required;
                member.group = group.unwrap_or(member.group);
            }
            if members.len() > MEMBERS_MAX {
                return Err(TooMany);
            }
        }
        self.scopes.push(table(&members));
        Ok((self.scopes.len() - 1) as u32)
    }

    fn group(&mut self, body: &'s Arc<Vec<Part>>) -> Result<u32, TooMany> {
        let key = Arc::as_ptr(body);
        if let Some(scope) = self.groups.get(&key) {
            return Ok(*scope);
        }
        let scope = self.scope(&[(Section::Body, body)])?;
        self.groups.insert(key, scope);
        Ok(scope)
    }

    fn member(&mut self, tag: u32) -> Member {
        let Some(field) = self.fields.get(&tag) else { return Member { tag, ..Member::EMPTY } };
        // What MsgType may be, the messages say.
        let values = if field.values.is_empty() || tag == tags::MSG_TYPE {
            NONE
        } else {
            *self.values_of.entry(tag).or_insert_with(|| {
                self.values.push(Values::of(&field.values));
                (self.values.len() - 1) as u32
            })
        };
        Member { tag, kind: field.kind, values, ..Member::EMPTY }
    }
}

fn table(members: &[(Member, bool)]) -> Scope {
    let size = (2 * members.len() + 2).next_power_of_two();
    let mut slots = vec![Member::EMPTY; size].into_boxed_slice();
    let shift = u32::BITS - size.trailing_zeros();
    let mut required = [0; WORDS];
    let mut required_tags = Vec::new();
    for (member, is_required) in members {
        let mut at = hash(member.tag, shift);
        while slots[at % size].tag != 0 {
            at += 1;
        }
        slots[at % size] = *member;
        if *is_required {
            required[usize::from(member.position) / 64] |= 1 << (member.position % 64);
            let rank = [0, 2, 1][member.section as usize];
            required_tags.push((rank, member.tag, member.position));
        }
    }
    required_tags.sort_unstable();
    Scope {
        slots,
        shift,
        required,
        words: members.len().div_ceil(64),
        required_tags: required_tags.iter().map(|(_, tag, position)| (*tag, *position)).collect(),
        delimiter: members.first().map_or(0, |(member, _)| member.tag),
    }
}
