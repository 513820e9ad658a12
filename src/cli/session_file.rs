//! Session settings as TOML, by the names that users know from QuickFIX.

pub(crate) use agreement::Agreement;
pub(crate) use conduct::Conduct;
pub(crate) use hours::HoursSettings;
pub(crate) use reach::Reach;
pub(crate) use settings::{EXCHANGE_PORT, NetworkSettings, Purpose, SessionSettings, Side};
pub(crate) use validation::{DictionaryFile, ValidationSettings};
pub(crate) use values::is_a_host_s;

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use fixwire::offload::toml_file::{TomlError, TomlFile};
use serde::Deserialize;
use toml::Spanned;

use super::failure::Failure;
use super::text_file::{self, Unreadable};
use super::warn;
use keys::{Entry, Network};
use quickfix::Translation;

mod agreement;
mod conduct;
mod hours;
mod keys;
pub(crate) mod quickfix;
mod reach;
mod settings;
mod store;
mod validation;
mod values;

/// What `--session` reads: settings for every session, then a `[[session]]` each for what differs.
#[derive(Debug)]
pub(crate) struct SessionFile {
    pub(crate) network: NetworkSettings,
    pub(crate) sessions: Vec<SessionSettings>,
}

/// A file for several sessions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    network: Option<Network>,
    #[serde(default)]
    default: Entry,
    #[serde(default)]
    session: Vec<Spanned<Entry>>,
}

const WHERE_KEYS_ARE: &str = "every key is explained in docs/sessions.md";

impl SessionFile {
    /// Reads a file, or without one takes the built-in session.
    pub(crate) fn open_or_built_in(
        path: Option<&Path>,
        purpose: Purpose,
    ) -> Result<SessionFile, Failure> {
        match path {
            Some(path) => {
                let mut file = SessionFile::open(path, purpose)?;
                for session in &mut file.sessions {
                    reach::resolve(session, &reach::look_up)?;
                }
                Ok(file)
            }
            None => Ok(SessionFile {
                network: NetworkSettings::default(),
                sessions: vec![purpose.built_in()],
            }),
        }
    }

    fn open(path: &Path, purpose: Purpose) -> Result<SessionFile, Failure> {
        let text = text_file::read(path).map_err(|Unreadable { why, remedy }| {
            Failure::Input(format!(
                "the session file {} cannot be read: {why}; {remedy}, or leave --session out for the \
                 built-in session",
                path.display(),
            ))
        })?;
        let shown = path.display().to_string();
        let mut file = TomlFile { name: shown.clone(), path: shown, text };
        if !quickfix::is_one(path, &file.text) {
            return Ok(SessionFile::read(&file, purpose)?);
        }
        let Translation { toml, warnings } = quickfix::translate(&file, purpose, &variable)?;
        warnings.iter().for_each(warn);
        file.text = toml;
        Ok(SessionFile::read(&file, purpose).map_err(quickfix::in_its_words)?)
    }

    /// A file of QuickFIX's in our own words, and what is to be said of it.
    pub(crate) fn converted(path: &Path) -> Result<Translation, Failure> {
        let text = text_file::read(path).map_err(|Unreadable { why, remedy }| {
            Failure::Input(format!("{} cannot be read: {why}; {remedy}", path.display()))
        })?;
        let shown = path.display().to_string();
        let mut file = TomlFile { name: shown.clone(), path: shown, text };
        if !quickfix::is_one(path, &file.text) {
            return Err(Failure::Input(format!(
                "{} is none of QuickFIX's settings files: it has neither [DEFAULT] nor [SESSION]; name one that has",
                file.path
            )));
        }
        let translation = quickfix::translate(&file, Purpose::Trade, &variable)?;
        file.text.clone_from(&translation.toml);
        SessionFile::read(&file, Purpose::Trade).map_err(quickfix::in_its_words)?;
        Ok(translation)
    }

    /// What a file's text says.
    pub(crate) fn read(file: &TomlFile, purpose: Purpose) -> Result<SessionFile, TomlError> {
        let table: toml::Table = file.parse(WHERE_KEYS_ARE)?;
        if table.contains_key("session") || table.contains_key("default") {
            let several: Several = file.parse(WHERE_KEYS_ARE)?;
            let network = several.network.as_ref().map(|network| network.read(file)).transpose()?;
            let base = several.default.over(purpose.built_in(), file, purpose)?;
            let mut sessions = Vec::new();
            for entry in &several.session {
                if let Some(network) = &entry.get_ref().network {
                    return Err(file.error(
                        network.span(),
                        "`network` stands in a session".into(),
                        "move it to the top of the file: the engine has one address",
                    ));
                }
                let session =
                    entry.get_ref().session_over(base.clone(), file, purpose, entry.span())?;
                entry.get_ref().switches_something(&session.validation, file)?;
                sessions.push((entry.span(), session));
            }
            no_identity_twice(&sessions, file)?;
            let network = from_one_address(network.unwrap_or_default(), &sessions, file)?;
            let mut sessions: Vec<_> = sessions.into_iter().map(|(_, session)| session).collect();
            if sessions.is_empty() {
                sessions.push(several.default.session_over(base, file, purpose, 0..0)?);
            }
            // What is said for all is of use to those that have a dictionary, if one has.
            let with_dictionary = sessions.iter().find(|session| session.validation.has_any());
            let any = with_dictionary.unwrap_or(&sessions[0]);
            several.default.switches_something(&any.validation, file)?;
            Ok(SessionFile { network, sessions: reach::expanded(sessions) })
        } else {
            let entry: Entry = file.parse(WHERE_KEYS_ARE)?;
            let network = entry.network.as_ref().map(|network| network.get_ref().read(file));
            let session = entry.session_over(purpose.built_in(), file, purpose, 0..0)?;
            entry.switches_something(&session.validation, file)?;
            let network = network.transpose()?.unwrap_or_default();
            let sessions = [(0..0, session)];
            let network = from_one_address(network, &sessions, file)?;
            let sessions = sessions.map(|(_, session)| session).into();
            Ok(SessionFile { network, sessions: reach::expanded(sessions) })
        }
    }
}

/// What `$(NAME)` in a file of QuickFIX's stands for.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The network's settings with where sessions connect from: the engine has one address.
fn from_one_address(
    mut network: NetworkSettings,
    sessions: &[(Range<usize>, SessionSettings)],
    file: &TomlFile,
) -> Result<NetworkSettings, TomlError> {
    for (span, session) in sessions.iter().filter(|(_, session)| session.side == Side::Initiator) {
        let Some(source) = session.reach.source_host else { continue };
        let known = network.addr.map(|(addr, _)| addr).or(network.source);
        if let Some(other) = known.filter(|other| *other != source) {
            return Err(file.error(
                span.clone(),
                format!(
                    "`socket_connect_source_host` is {source}, and the engine's address is {other}"
                ),
                "write one address for all: the engine has one, `address` under [network]",
            ));
        }
        network.source = Some(source);
    }
    Ok(network)
}

/// BeginString and both CompIDs tell sessions apart, whatever their ports.
fn no_identity_twice(
    sessions: &[(Range<usize>, SessionSettings)],
    file: &TomlFile,
) -> Result<(), TomlError> {
    let mut known = HashMap::new();
    for (span, session) in sessions {
        let SessionSettings { begin_string, sender_comp_id, target_comp_id, .. } = session;
        let sub_ids = (&session.agreement.sender_sub_id, &session.agreement.target_sub_id);
        let identity = (begin_string, sender_comp_id, target_comp_id, sub_ids, &session.qualifier);
        if let Some(first) = known.insert(identity, span.clone()) {
            let first_line = file.error(first, String::new(), "").line;
            return Err(file.error(
                span.clone(),
                format!(
                    "this session is {begin_string} from {sender_comp_id:?} to {target_comp_id:?}, and \
                     so is the one in line {first_line}"
                ),
                "give one of them another CompID, or delete it",
            ));
        }
    }
    Ok(())
}

#[cfg(all(test, feature = "embedded"))]
mod documented;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
