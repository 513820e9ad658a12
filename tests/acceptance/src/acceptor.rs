//! The acceptor that is tried: `fixwire accept --app echo` on a TAP of this namespace.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Each version's BeginString, who logs on by it, and what the messages of FIXT are of.
const SESSIONS: [(&str, &str, Option<&str>); 8] = [
    ("FIX.4.0", "TW40", None),
    ("FIX.4.1", "TW41", None),
    ("FIX.4.2", "TW42", None),
    ("FIX.4.3", "TW43", None),
    ("FIX.4.4", "TW44", None),
    ("FIXT.1.1", "TW50", Some("FIX.5.0")),
    ("FIXT.1.1", "TW50SP1", Some("FIX.5.0SP1")),
    ("FIXT.1.1", "TW50SP2", Some("FIX.5.0SP2")),
];

/// It runs until this is dropped.
pub(crate) struct Acceptor(Child);

impl Acceptor {
    /// Starts it, each session held to its version's dictionary where there is one, and waits until it listens.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn start(program: &Path, dictionaries: Option<&Path>) -> Result<Acceptor, String> {
        let file = std::env::temp_dir().join(format!("acceptance-{}.toml", std::process::id()));
        std::fs::write(&file, settings(dictionaries)).map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .args(["accept", "--nic", "tap:fw0", "--app", "echo", "--json", "--session"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut acceptor = Acceptor(child);
        let stdout = acceptor.0.stdout.take().ok_or("its output is not there")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let listens = lines.any(|line| line.contains("\"listening\""));
        let _ = std::fs::remove_file(&file);
        // It says much more, which nobody wants, and must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        if listens { Ok(acceptor) } else { Err("the acceptor did not come to listen".into()) }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn settings(dictionaries: Option<&Path>) -> String {
    let mut text = "[default]\nsender_comp_id = \"ISLD\"\nreset_on_logon = true\n".to_owned();
    for (begin_string, target, appl_ver_id) in SESSIONS {
        text += &format!(
            "[[session]]\nbegin_string = \"{begin_string}\"\ntarget_comp_id = \"{target}\"\n"
        );
        if let Some(appl_ver_id) = appl_ver_id {
            text += &format!("default_appl_ver_id = \"{appl_ver_id}\"\n");
            continue;
        }
        let dictionary = dictionaries
            .map(|folder| folder.join(begin_string.replace('.', "")).with_extension("xml"));
        if let Some(file) = dictionary.filter(|file| file.is_file()) {
            text += &format!("data_dictionary = {file:?}\n");
        }
    }
    text
}
