//! The data dictionaries that sessions name: each file is read once, however many sessions share it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use fixwire::fix::dictionary::{self, Dictionary, Validation};

use super::failure::Failure;
use super::session_file::{DictionaryFile, SessionSettings};
use super::text_file::{self, Unreadable};

/// Those that were read.
#[derive(Default)]
pub(crate) struct Dictionaries(HashMap<PathBuf, Arc<Dictionary>>);

impl Dictionaries {
    /// What the messages of a session are held against; `None` where it names no dictionary.
    pub(crate) fn validation(
        &mut self,
        settings: &SessionSettings,
    ) -> Result<Option<Validation>, Failure> {
        let Some(file) = &settings.validation.dictionary else { return Ok(None) };
        let dictionary = match self.0.get(&file.path) {
            Some(known) => Arc::clone(known),
            None => {
                let read = Arc::new(read(file)?);
                self.0.insert(file.path.clone(), Arc::clone(&read));
                read
            }
        };
        if dictionary.begin_string() != settings.begin_string {
            let ours = &settings.begin_string;
            return Err(Failure::Input(format!(
                "{}: `data_dictionary` is one of {}, {}, and a session's begin_string is {ours}; name \
                 one of {ours} for that session",
                file.named_at,
                dictionary.begin_string(),
                file.path.display(),
            )));
        }
        Ok(Some(Validation { dictionary, checks: settings.validation.checks }))
    }
}

fn read(file: &DictionaryFile) -> Result<Dictionary, Failure> {
    let shown = file.path.display().to_string();
    let text = text_file::read_within(&file.path, dictionary::FILE_BYTES_MAX as u64).map_err(
        |Unreadable { why, remedy }| {
            Failure::Input(format!(
                "{}: the data dictionary {shown} cannot be read: {why}; {remedy}",
                file.named_at
            ))
        },
    )?;
    let spec =
        dictionary::read_xml(&shown, &text).map_err(|error| Failure::Input(error.to_string()))?;
    Dictionary::compile(&spec).map_err(|error| {
        Failure::Input(format!("{shown}: {error}; take out what is not exchanged"))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::session_file::{Purpose, SessionFile};
    use super::*;

    const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quickfix");

    /// What comes of a session file `text` in `folder`, for each of its sessions.
    fn loaded(folder: &Path, text: &str) -> Result<Vec<Option<Validation>>, String> {
        let path = folder.join("s.toml");
        fs::write(&path, text).unwrap();
        let file = SessionFile::open_or_built_in(Some(&path), Purpose::Trade);
        let mut dictionaries = Dictionaries::default();
        let sessions = file.map_err(|failure| failure.to_string())?.sessions;
        let validations = sessions.iter().map(|session| dictionaries.validation(session));
        validations.collect::<Result<_, _>>().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_dictionary_is_found_from_the_session_file_s_folder_and_read_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        for name in ["FIX42.xml", "FIX44.xml"] {
            fs::copy(Path::new(OURS).join(name), folder.path().join("d").join(name)).unwrap();
        }
        let text = format!(
            "[default]\ndata_dictionary = \"d/FIX44.xml\"\nvalidate_user_defined_fields = false\n\
             [[session]]\nsender_comp_id = \"A\"\n\
             [[session]]\nsender_comp_id = \"B\"\nallow_unknown_msg_fields = true\n\
             [[session]]\nbegin_string = \"FIX.4.2\"\ndata_dictionary = \"{OURS}/FIX42.xml\"\n",
        );
        let found = loaded(folder.path(), &text).unwrap();
        let [Some(a), Some(b), Some(c)] = &found[..] else { panic!("{found:?}") };
        assert!(Arc::ptr_eq(&a.dictionary, &b.dictionary));
        let named = [a, b, c].map(|found| found.dictionary.begin_string());
        assert_eq!(named, ["FIX.4.4", "FIX.4.4", "FIX.4.2"]);
        let switched =
            [a, b].map(|v| (v.checks.user_defined_fields, v.checks.allow_unknown_msg_fields));
        assert_eq!(switched, [(false, false), (false, true)]);
        assert!(matches!(&loaded(folder.path(), "").unwrap()[..], [None]));
    }

    #[test]
    fn what_is_wrong_with_a_dictionary_is_said_with_file_line_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let good = fs::read_to_string(format!("{OURS}/FIX44.xml")).unwrap();
        let broken = good.replacen("name='TestReqID' required", "name='TestReqIt' required", 1);
        let line = 1 + broken.lines().position(|line| line.contains("TestReqIt")).unwrap();
        fs::write(folder.path().join("broken.xml"), &broken).unwrap();
        fs::write(folder.path().join("latin1.xml"), b"<fix a='\xe4'/>").unwrap();
        let at_line = format!("broken.xml:{line}: there is no field \"TestReqIt\"; define it");
        let ours = format!("{OURS}/FIX42.xml");
        for (name, expected) in [
            ("broken.xml", [at_line.as_str(), "or mend the name"]),
            ("latin1.xml", ["s.toml:2: ", "not UTF-8; save it as UTF-8"]),
            ("none.xml", ["s.toml:2: the data dictionary ", "check the path"]),
            (&ours, ["s.toml:2: `data_dictionary` is one of FIX.4.2", "name one of FIX.4.4"]),
        ] {
            let text = format!("heart_bt_int = 5\ndata_dictionary = \"{name}\"\n");
            let said = loaded(folder.path(), &text).unwrap_err();
            assert!(expected.iter().all(|words| said.contains(words)), "{said}");
        }
    }
}
