//! What a session is called, by whoever operates it: on the control socket, in `status`, in metrics, in sentences and in the
//! names of its files. All of it is made here, of all that tells one session from another.

use std::fmt::Write;

use fixwire::fix::{CompId, SessionConfig};
use fixwire::journal_file::{self, StorePlan};

use super::session_file::SessionSettings;

/// All that tells a session from another one; what it has not is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called<'a> {
    begin_string: &'a str,
    sender: Party<'a>,
    target: Party<'a>,
    qualifier: &'a str,
}

/// A side of it.
#[derive(Clone, Copy, Debug)]
struct Party<'a> {
    comp_id: &'a str,
    sub_id: &'a str,
    location_id: &'a str,
}

/// How well what is written names a session, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// By its whole name.
    Whole,
    /// Without the version, or by the counterparty alone.
    Short,
    /// The same without sub-IDs and locations, which it has.
    WithoutSubIds,
}

impl Party<'_> {
    fn has_sub_ids(&self) -> bool {
        !self.sub_id.is_empty() || !self.location_id.is_empty()
    }

    /// `COMP`, `COMP/SUB` or `COMP/SUB/LOCATION`, as QuickFIX/J has it; a location without a sub-ID stands behind two strokes.
    fn name(&self) -> String {
        let mut name = self.comp_id.to_owned();
        if self.has_sub_ids() {
            let _ = write!(name, "/{}", self.sub_id);
        }
        if !self.location_id.is_empty() {
            let _ = write!(name, "/{}", self.location_id);
        }
        name
    }
}

impl<'a> Called<'a> {
    pub(crate) fn of(config: &'a SessionConfig) -> Called<'a> {
        let text = |id: &'a CompId| str::from_utf8(id.as_bytes()).unwrap_or_default();
        let optional = |id: &'a Option<CompId>| id.as_ref().map_or("", text);
        let (sender, target) = (&config.sender_sub_ids, &config.target_sub_ids);
        Called {
            begin_string: config.version.begin_string(),
            sender: Party {
                comp_id: text(&config.sender_comp_id),
                sub_id: optional(&sender.sub_id),
                location_id: optional(&sender.location_id),
            },
            target: Party {
                comp_id: text(&config.target_comp_id),
                sub_id: optional(&target.sub_id),
                location_id: optional(&target.location_id),
            },
            qualifier: optional(&config.qualifier),
        }
    }

    pub(crate) fn by_settings(settings: &'a SessionSettings) -> Called<'a> {
        let optional = |id: &'a Option<String>| id.as_deref().unwrap_or_default();
        let agreement = &settings.agreement;
        Called {
            begin_string: &settings.begin_string,
            sender: Party {
                comp_id: &settings.sender_comp_id,
                sub_id: optional(&agreement.sender_sub_id),
                location_id: optional(&agreement.sender_location_id),
            },
            target: Party {
                comp_id: &settings.target_comp_id,
                sub_id: optional(&agreement.target_sub_id),
                location_id: optional(&agreement.target_location_id),
            },
            qualifier: optional(&settings.qualifier),
        }
    }

    /// The one name that stands for it: `FIX.4.4:SENDER->TARGET`, sub-IDs and locations behind the CompIDs and a qualifier at the
    /// end where it has them, `FIX.4.4:SENDER/SUB->TARGET:QUALIFIER`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.begin_string, self.between("->"))
    }

    /// Whom it is between, an arrow in the middle.
    pub(crate) fn between(&self, arrow: &str) -> String {
        format!("{}{arrow}{}{}", self.sender.name(), self.target.name(), self.behind())
    }

    fn behind(&self) -> String {
        if self.qualifier.is_empty() { String::new() } else { format!(":{}", self.qualifier) }
    }

    fn has_sub_ids(&self) -> bool {
        self.sender.has_sub_ids() || self.target.has_sub_ids()
    }

    /// The same session as if it had no sub-IDs.
    fn without_sub_ids(&self) -> Called<'a> {
        let bare = |party: Party<'a>| Party { sub_id: "", location_id: "", ..party };
        Called { sender: bare(self.sender), target: bare(self.target), ..*self }
    }

    /// Whether `written` names it, and how well: of two that it names, the one that it names better is meant.
    pub(crate) fn fit(&self, written: &str) -> Option<Fit> {
        let is_short = |of: &Called<'_>| {
            written == of.between("->") || written == of.target.name() + &of.behind()
        };
        let bare = self.without_sub_ids();
        if written == self.name() {
            Some(Fit::Whole)
        } else if is_short(self) {
            Some(Fit::Short)
        } else if self.has_sub_ids() && (written == bare.name() || is_short(&bare)) {
            Some(Fit::WithoutSubIds)
        } else {
            None
        }
    }

    /// What its store is told by, in the file and by its name ([`journal_file::identity`]).
    fn identity(&self) -> Vec<u8> {
        let (sender, target) = (self.sender, self.target);
        let beside = [sender.sub_id, sender.location_id, target.sub_id, target.location_id];
        journal_file::identity(
            [self.begin_string, sender.comp_id, target.comp_id].map(str::as_bytes),
            beside.map(str::as_bytes),
            self.qualifier.as_bytes(),
        )
    }

    /// What the names of its log's files begin with: QuickFIX's, and of a session with sub-IDs, which QuickFIX's does not have, that
    /// of its store. What would lead to another folder is replaced.
    pub(crate) fn file_stem(&self) -> String {
        if self.has_sub_ids() {
            let store = StorePlan::new("").path_of(&self.identity());
            return store.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        let qualifier = self.behind().replacen(':', "-", 1);
        let Called { begin_string, sender, target, .. } = self;
        format!("{begin_string}-{}-{}{qualifier}", sender.comp_id, target.comp_id)
            .replace(['/', '\0'], "_")
    }

    /// Its parts that machines tell it by, with their names: those that each session has, and what it has besides.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let each = [
            ("begin_string", self.begin_string),
            ("sender_comp_id", self.sender.comp_id),
            ("target_comp_id", self.target.comp_id),
        ];
        let beside = [
            ("sender_sub_id", self.sender.sub_id),
            ("sender_location_id", self.sender.location_id),
            ("target_sub_id", self.target.sub_id),
            ("target_location_id", self.target.location_id),
            ("session_qualifier", self.qualifier),
        ];
        each.into_iter().chain(beside.into_iter().filter(|(_, text)| !text.is_empty()))
    }
}

impl SessionSettings {
    /// Whose a store is.
    pub(crate) fn identity(&self) -> Vec<u8> {
        Called::by_settings(self).identity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written of a session: `A/ANN/LDN`, `B`, and a qualifier.
    fn settings(sender: &str, target: &str, qualifier: &str) -> SessionSettings {
        let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let mut settings = SessionSettings::default();
        let mut parts = sender.split('/');
        settings.sender_comp_id = parts.next().unwrap().into();
        settings.agreement.sender_sub_id = some(parts.next());
        settings.agreement.sender_location_id = some(parts.next());
        let mut parts = target.split('/');
        settings.target_comp_id = parts.next().unwrap().into();
        settings.agreement.target_sub_id = some(parts.next());
        settings.agreement.target_location_id = some(parts.next());
        settings.qualifier = some(Some(qualifier));
        settings
    }

    #[test]
    fn one_name_has_all_that_tells_a_session_from_another() {
        for (sender, target, qualifier, name, stem) in [
            ("US", "THEM", "", "FIX.4.4:US->THEM", "FIX.4.4-US-THEM"),
            ("US", "THEM", "q", "FIX.4.4:US->THEM:q", "FIX.4.4-US-THEM-q"),
            ("US/ANN", "THEM", "", "FIX.4.4:US/ANN->THEM", "FIX.4.4-US-THEM-ANN---"),
            (
                "US/ANN/LDN",
                "THEM",
                "q",
                "FIX.4.4:US/ANN/LDN->THEM:q",
                "FIX.4.4-US-THEM-ANN-LDN---q",
            ),
            ("US", "THEM/DESK 1", "", "FIX.4.4:US->THEM/DESK 1", "FIX.4.4-US-THEM---DESK%201-"),
            ("US", "THEM//NYC", "", "FIX.4.4:US->THEM//NYC", "FIX.4.4-US-THEM----NYC"),
        ] {
            let settings = settings(sender, target, qualifier);
            let called = Called::by_settings(&settings);
            assert_eq!((called.name().as_str(), called.file_stem().as_str()), (name, stem));
            let store = StorePlan::new("s").path_of(&called.identity());
            if called.has_sub_ids() {
                assert_eq!(store.to_str(), Some(format!("s/{stem}.journal").as_str()));
            }
        }
    }

    #[test]
    fn what_is_written_names_it_the_better_the_more_of_it_there_is() {
        let plain = settings("US", "THEM", "");
        let ann = settings("US/ANN", "THEM", "");
        for (written, of_plain, of_ann) in [
            ("FIX.4.4:US->THEM", Some(Fit::Whole), Some(Fit::WithoutSubIds)),
            ("US->THEM", Some(Fit::Short), Some(Fit::WithoutSubIds)),
            ("FIX.4.4:US/ANN->THEM", None, Some(Fit::Whole)),
            ("US/ANN->THEM", None, Some(Fit::Short)),
            ("THEM", Some(Fit::Short), Some(Fit::Short)),
            ("US", None, None),
            ("FIX.4.2:US->THEM", None, None),
        ] {
            let fit = |settings| Called::by_settings(settings).fit(written);
            assert_eq!((fit(&plain), fit(&ann)), (of_plain, of_ann), "{written}");
        }
        assert!(Fit::Whole < Fit::Short && Fit::Short < Fit::WithoutSubIds);
    }

    #[test]
    fn no_comp_id_leads_to_another_folder() {
        let other = SessionSettings { sender_comp_id: "../../x".into(), ..Default::default() };
        assert_eq!(Called::by_settings(&other).file_stem(), "FIX.4.4-.._.._x-EXCHANGE");
        let with_sub_id =
            SessionSettings { agreement: settings("A/../x", "B", "").agreement, ..other };
        let stem = Called::by_settings(&with_sub_id).file_stem();
        assert!(!stem.contains('/'), "{stem}");
    }
}
