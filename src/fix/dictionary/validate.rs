//! What messages are held against, and what is found.

use std::sync::Arc;

use super::Dictionary;
use super::plan::Plans;
use super::table::Scope;
use super::walk::Walk;
use crate::fix::decode::Leniency;
use crate::fix::message::Message;
use crate::fix::reason::RejectReason;
use crate::fix::session::ApplVerId;
use crate::fix::tags;
use crate::fix::timestamp::Reader;

/// What is checked, by QuickFIX's names and with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// ValidateFieldsOutOfOrder: header, body and trailer come in this order.
    pub fields_out_of_order: bool,
    /// ValidateFieldsHaveValues: no field is empty.
    pub fields_have_values: bool,
    /// ValidateUserDefinedFields: fields from 5000 on must be in the dictionary and in the message.
    pub user_defined_fields: bool,
    /// AllowUnknownMsgFields: fields below 5000 need not be.
    pub allow_unknown_msg_fields: bool,
    /// ValidateUnorderedGroupFields: fields of a group come in the dictionary's order.
    pub unordered_group_fields: bool,
}

impl Default for Checks {
    fn default() -> Checks {
        Checks {
            fields_out_of_order: true,
            fields_have_values: true,
            user_defined_fields: true,
            allow_unknown_msg_fields: false,
            unordered_group_fields: true,
        }
    }
}

/// What a session's messages are held against.
#[derive(Clone, Debug)]
pub struct Validation {
    /// The dictionary, which sessions share. Of FIXT the one for messages that do not say their version, before the
    /// counterparty's Logon says which that is.
    pub dictionary: Arc<Dictionary>,
    /// Of FIXT, the dictionaries by the versions of application messages, each [over](super::Spec::over) that of the transport:
    /// a message is held to its ApplVerID(1128)'s, or its sender's DefaultApplVerID(1137)'s, and refused where there is
    /// none.
    pub by_version: Vec<(ApplVerId, Arc<Dictionary>)>,
    /// What is checked.
    pub checks: Checks,
}

impl Validation {
    /// By one dictionary.
    pub fn of(dictionary: Arc<Dictionary>, checks: Checks) -> Validation {
        Validation { dictionary, by_version: Vec::new(), checks }
    }

    /// What a decoder is to let pass.
    pub fn leniency(&self) -> Leniency {
        Leniency {
            empty_values: !self.checks.fields_have_values,
            header_in_body: !self.checks.fields_out_of_order,
        }
    }

    /// Tags of lengths, each with that of the data behind it, of all versions.
    pub fn data_fields(&self) -> Vec<(u32, u32)> {
        self.of_all_versions(Dictionary::data_fields)
    }

    /// Tags of the header, of all versions.
    pub fn header_fields(&self) -> Vec<u32> {
        self.of_all_versions(Dictionary::header_fields)
    }

    /// Whether a tag is of the header in any version.
    pub(in crate::fix) fn has_header_field(&self, tag: u32) -> bool {
        let others = self.by_version.iter().map(|(_, dictionary)| dictionary);
        others.chain([&self.dictionary]).any(|of| of.header_fields().contains(&tag))
    }

    /// What any of the dictionaries has, ascending and once.
    fn of_all_versions<T: Copy + Ord>(&self, of: fn(&Dictionary) -> &[T]) -> Vec<T> {
        let others = self.by_version.iter().map(|(_, dictionary)| dictionary);
        let all = others.chain([&self.dictionary]);
        let mut fields: Vec<T> = all.flat_map(|dictionary| of(dictionary)).copied().collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

/// Why a message does not conform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// For SessionRejectReason(373).
    pub reason: RejectReason,
    /// For RefTagID(371), unless it is the message type.
    pub tag: Option<u32>,
}

impl Violation {
    #[cold]
    pub(super) fn of(reason: RejectReason, tag: u32) -> Violation {
        Violation { reason, tag: Some(tag) }
    }
}

/// Holds one session's messages against a dictionary.
#[derive(Clone, Debug)]
pub struct Validator {
    dictionaries: Dictionaries,
    checks: Checks,
    /// Of the times in messages, most fall into the second of the one before.
    times: Reader,
    /// What is left to look at of messages like those that came before.
    plans: Plans,
}

impl Validator {
    /// A validator of messages by these rules.
    pub fn new(Validation { dictionary, by_version, checks }: Validation) -> Validator {
        let dictionaries =
            Dictionaries { default: dictionary, by_version, said: None, is_lost: false };
        let (times, plans) = (Reader::default(), Plans::new());
        Validator { dictionaries, checks, times, plans }
    }

    /// The counterparty's Logon says which version its messages are of, where they do not say.
    pub fn set_default_version(&mut self, version: ApplVerId) {
        self.dictionaries.set_default(version);
        // They go by where the scopes of dictionaries lie, of which one may be gone.
        self.plans.clear();
    }

    /// Which it said.
    pub fn default_version(&self) -> Option<ApplVerId> {
        self.dictionaries.said
    }

    /// Looks at a whole message.
    ///
    /// # Errors
    /// The first [`Violation`].
    #[inline(never)]
    pub fn check(&mut self, message: &Message<'_>) -> Result<(), Violation> {
        let Validator { dictionaries, checks, times, plans } = self;
        let Some(dictionary) = dictionaries.of(message) else {
            return Err(Violation::of(RejectReason::ValueIncorrect, tags::APPL_VER_ID));
        };
        let tables = &dictionary.tables;
        let Some(scope) = tables.message(message.msg_type()) else {
            return Err(Violation { reason: RejectReason::InvalidMsgType, tag: None });
        };
        if plans.is_followed(scope, message, tables.values(), times) {
            return Ok(());
        }
        let found = Walk::new(tables, *checks, times, message).message(scope);
        match found {
            Ok(course) => {
                if plans.is_awaited(scope, message, course) {
                    let plan = plans.replaced(scope, message);
                    Walk::new(tables, *checks, times, message).note(scope, plan);
                }
                Ok(())
            }
            Err(found) => Err(absent(scope, message).unwrap_or(found)),
        }
    }
}

/// Which dictionary a message is held to.
#[derive(Clone, Debug)]
struct Dictionaries {
    default: Arc<Dictionary>,
    by_version: Vec<(ApplVerId, Arc<Dictionary>)>,
    /// The counterparty's DefaultApplVerID, once it has said one.
    said: Option<ApplVerId>,
    /// It has no dictionary.
    is_lost: bool,
}

impl Dictionaries {
    fn set_default(&mut self, version: ApplVerId) {
        self.said = Some(version);
        if self.by_version.is_empty() {
            return;
        }
        let found = self.by_version.iter().find(|(known, _)| *known == version);
        self.is_lost = found.is_none();
        if let Some((_, dictionary)) = found {
            self.default = Arc::clone(dictionary);
        }
    }

    /// The dictionary of a message; `None` where its version has none.
    #[inline]
    fn of(&self, message: &Message<'_>) -> Option<&Dictionary> {
        if self.by_version.is_empty() {
            return Some(&self.default);
        }
        match message.field(tags::APPL_VER_ID) {
            None if !self.is_lost => Some(&self.default),
            // The session's own messages are the transport's, which is in all of them, whatever they say.
            _ if tags::msg_type::is_admin(message.msg_type()) => Some(&self.default),
            None => None,
            Some(version) => {
                let version = ApplVerId::of(version)?;
                let found = self.by_version.iter().find(|(known, _)| *known == version)?;
                Some(&found.1)
            }
        }
    }
}

/// The first required field that is nowhere in the message.
#[cold]
fn absent(scope: &Scope, message: &Message<'_>) -> Option<Violation> {
    let (tag, _) = scope.required_tags.iter().find(|(tag, _)| message.field(*tag).is_none())?;
    Some(Violation::of(RejectReason::RequiredTagMissing, *tag))
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;
    use crate::fix::decode::Decoder;
    use crate::fix::oracle::sealed;

    /// Whether the last of these is known by the order of its tags.
    fn is_last_known(bodies: &[&str]) -> bool {
        let dictionary = Arc::new(Dictionary::compile(&spec()).unwrap());
        let mut validator = Validator::new(Validation::of(dictionary, Checks::default()));
        let (last, others) = bodies.split_last().unwrap();
        let mut decoder = Decoder::default();
        let text = |body| {
            sealed("FIX.4.4", &format!("35=D|34=2|49=A|52=20260102-03:04:05|56=B|11=a|{body}"))
        };
        for body in others {
            let bytes = text(body);
            assert_eq!(validator.check(&decoder.parse(&bytes).unwrap()), Ok(()), "{body}");
        }
        let bytes = text(last);
        let message = decoder.parse(&bytes).unwrap();
        let Validator { dictionaries, times, plans, .. } = &mut validator;
        let tables = &dictionaries.default.tables;
        let scope = tables.message(b"D").unwrap();
        plans.is_followed(scope, &message, tables.values(), times)
    }

    #[test]
    fn an_order_of_tags_is_known_when_it_has_come_twice_in_a_row() {
        let (plain, group) = ("38=1|", "38=1|386=2|336=x|336=y|");
        assert!(!is_last_known(&[plain, plain]));
        assert!(is_last_known(&[plain, plain, plain]));
        assert!(is_last_known(&[plain, plain, "38=125.50|"]));
        assert!(!is_last_known(&[plain, "38=1|54=1|", plain]));
        // Those of as many fields are remembered two at a time.
        assert!(is_last_known(&[plain, plain, group, group, group, plain]));
        let turns = ["38=1|54=1|", "38=1|58=x|", "38=1|167=CS|"];
        let in_turn: Vec<&str> = turns.iter().flat_map(|turn| [*turn, *turn]).collect();
        for (turn, is_known) in turns.iter().zip([false, true, true]) {
            assert_eq!(is_last_known(&[&in_turn[..], &[*turn]].concat()), is_known, "{turn}");
        }
    }

    #[test]
    fn what_is_known_by_its_tags_is_right_by_its_values_too() {
        let known = "38=1|54=1|386=2|336=x|336=y|";
        let others = [
            ("38=1|54=2|386=2|336=abc|336=y|", true),
            ("38=x|54=1|386=2|336=x|336=y|", false),
            ("38=1|54=3|386=2|336=x|336=y|", false),
            ("38=1|54=11|386=2|336=x|336=y|", false),
            ("38=1|54=1|386=1|336=x|336=y|", false),
            ("38=1|54=1|386=02|336=x|336=y|", true),
            ("38=1|54=1|386=2|336=x|337=y|", false),
            ("38=1|54=1|386=2|336=x|336=|", false),
        ];
        for (other, is_known) in others {
            assert_eq!(is_last_known(&[known, known, known, other]), is_known, "{other}");
        }
    }
}
