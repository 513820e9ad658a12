//! What a dictionary is compiled to: for each message type and group a table of its fields by their tags.

use std::collections::HashMap;
use std::sync::Arc;

use super::rule::{Rule, Values};
use super::spec::{FieldSpec, Part, Spec};
use super::{DataType, MEMBERS_MAX, WORDS};
use crate::fix::tags;

/// Stands where no group and no message type is.
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
    pub(super) tag: u32,
    /// Which one it is, in the order of the dictionary.
    pub(super) position: u16,
    pub(super) section: Section,
    pub(super) kind: DataType,
    pub(super) rule: Rule,
    group: u32,
}

impl Member {
    #[inline]
    pub(super) fn is_group(&self) -> bool {
        self.group != NONE
    }
}

/// Tags below this are found by a look; from here on they are user defined or rare, and hashed.
const LONG_TAG_MIN: u32 = 2_048;
/// Stands where no member is: there are never so many.
const NOBODY: u16 = u16::MAX;
const _: () = assert!(MEMBERS_MAX < NOBODY as usize, "a position is mistaken for none");

/// What may stand together: a message, or an entry of a group.
#[derive(Debug)]
pub(super) struct Scope {
    /// Which one it is of its dictionary's.
    pub(super) number: u32,
    /// Whether it is a message of the session's own.
    pub(super) is_session: bool,
    members: Box<[Member]>,
    /// By tag, up to the highest short one that there is: which member that is.
    short: Box<[u16]>,
    /// The same of the longer ones: open addressing; a power of two, at most half full.
    long: Box<[u16]>,
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
    #[inline(always)]
    pub(super) fn find(&self, tag: u32) -> Option<&Member> {
        match self.short.get(tag as usize) {
            Some(which) => self.members.get(usize::from(*which)),
            None if tag < LONG_TAG_MIN => None,
            None => self.find_long(tag),
        }
    }

    #[inline(never)]
    fn find_long(&self, tag: u32) -> Option<&Member> {
        let mut at = hash(tag, self.shift);
        loop {
            // Half of the places are empty, so this ends.
            let which = self.long.get(at & (self.long.len() - 1))?;
            let member = self.members.get(usize::from(*which))?;
            if member.tag == tag {
                return Some(member);
            }
            at += 1;
        }
    }
}

#[inline]
fn hash(tag: u32, shift: u32) -> usize {
    (tag.wrapping_mul(0x9e37_79b9) >> shift) as usize
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
    /// Those of them that session messages do not know, ascending.
    application_fields: Vec<u32>,
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

    /// What members' rules look up.
    #[inline]
    pub(super) fn values(&self) -> &[Values] {
        &self.values
    }

    /// A field wherever it may belong, in messages of the session's own or in the others.
    pub(super) fn defined(&self, tag: u32, is_session: bool) -> Option<&Member> {
        if is_session && self.application_fields.binary_search(&tag).is_ok() {
            return None;
        }
        let at = self.defined.binary_search_by_key(&tag, |member| member.tag).ok()?;
        self.defined.get(at)
    }

    pub(super) fn compile(spec: &Spec) -> Result<Tables, TooMany> {
        let mut compiler = Compiler {
            fields: spec.fields.iter().map(|field| (field.tag, field)).collect(),
            rules: HashMap::new(),
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
            if let Some(scope) = compiler.scopes.get_mut(scope as usize) {
                scope.is_session = tags::msg_type::is_admin(&message.msg_type);
            }
            match message.msg_type[..] {
                [char] => short[usize::from(char)] = scope,
                _ => long.push((message.msg_type.clone().into_boxed_slice(), scope)),
            }
        }
        long.sort_unstable();
        let mut defined: Vec<Member> =
            spec.fields.iter().map(|field| compiler.member(field.tag)).collect();
        defined.sort_by_key(|member| member.tag);
        let mut application_fields = spec.application_fields.clone();
        application_fields.sort_unstable();
        let Compiler { scopes, values, .. } = compiler;
        Ok(Tables { scopes, values, short, long, defined, application_fields })
    }
}

/// A message or group has more fields than [`MEMBERS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

struct Compiler<'s> {
    fields: HashMap<u32, &'s FieldSpec>,
    rules: HashMap<u32, Rule>,
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
        let number = self.scopes.len() as u32;
        self.scopes.push(table(number, &members));
        Ok(number)
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
        let plain = Member {
            tag,
            position: 0,
            section: Section::Body,
            kind: DataType::Text,
            rule: Rule::ANY,
            group: NONE,
        };
        let Some(field) = self.fields.get(&tag) else { return plain };
        // What MsgType may be, the messages say.
        let values = if tag == tags::MSG_TYPE { &[] } else { &field.values[..] };
        let of_field = || Rule::of(field.kind, values, &mut self.values);
        let rule = *self.rules.entry(tag).or_insert_with(of_field);
        Member { kind: field.kind, rule, ..plain }
    }
}

fn table(number: u32, members: &[(Member, bool)]) -> Scope {
    let tags = || members.iter().map(|(member, _)| member.tag);
    let short_len = tags().filter(|tag| *tag < LONG_TAG_MIN).max().map_or(0, |tag| tag + 1);
    let mut short = vec![NOBODY; short_len as usize].into_boxed_slice();
    let long_count = tags().filter(|tag| *tag >= LONG_TAG_MIN).count();
    let size = (2 * long_count + 2).next_power_of_two();
    let mut long = vec![NOBODY; size].into_boxed_slice();
    let shift = u32::BITS - size.trailing_zeros();
    let mut required = [0; WORDS];
    let mut required_tags = Vec::new();
    for (member, is_required) in members {
        let place = match short.get_mut(member.tag as usize) {
            Some(place) => place,
            None => {
                let mut at = hash(member.tag, shift);
                while long[at % size] != NOBODY {
                    at += 1;
                }
                &mut long[at % size]
            }
        };
        *place = member.position;
        if *is_required {
            required[usize::from(member.position) / 64] |= 1 << (member.position % 64);
            let rank = [0, 2, 1][member.section as usize];
            required_tags.push((rank, member.tag, member.position));
        }
    }
    required_tags.sort_unstable();
    Scope {
        number,
        is_session: false,
        members: members.iter().map(|(member, _)| *member).collect(),
        short,
        long,
        shift,
        required,
        words: members.len().div_ceil(64),
        required_tags: required_tags.iter().map(|(_, tag, position)| (*tag, *position)).collect(),
        delimiter: members.first().map_or(0, |(member, _)| member.tag),
    }
}
